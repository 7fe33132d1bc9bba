// The fields of one form find each other as frames of one origin in the same page. The page itself is of another origin and
// cannot reach into them; nothing goes through it.
import type { Brand } from '../shared/card';
import type { Kind } from '../shared/protocol';
import type { FieldText } from './texts';

export interface Member {
  group: string;
  kind: Kind;
  digits(): string;
  trouble(): FieldText | null; // shows it, too
  brandIs(of: Brand): void;
  fill(text: string): void; // what the browser filled into another frame for it
}

declare global {
  interface Window { florinField?: Member }
}

export function join(member: Member): void {
  window.florinField = member;
}

function memberAt(frames: Window, i: number): Member | undefined {
  try {
    return (frames[i] as Window | undefined)?.florinField; // throws for a frame of another origin
  } catch {
    return undefined;
  }
}

export function sibling(group: string, kind: Kind): Member | undefined {
  const frames = window.parent;
  for (let i = 0; i < Math.min(frames.length, 256); i++) {
    const member = memberAt(frames, i);
    if (member && member.group === group && member.kind === kind) return member;
  }
  return undefined;
}
