/// <reference path="./florin.d.ts" />
// florin.js: what a shop's page loads from the card origin.
import { Client } from './client';

const script = document.currentScript;
const from = script instanceof HTMLScriptElement && script.src ? script.src : null;
const make: typeof Florin = (options) => new Client(options, from);

window.Florin = make;
