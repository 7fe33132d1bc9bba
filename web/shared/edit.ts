// Keeps the caret where the customer put it while the text around it is formatted anew. Pure.

const DIGIT = /[0-9]/;

export function digitsBefore(text: string, caret: number): number {
  return [...text.slice(0, caret)].filter((c) => DIGIT.test(c)).length;
}

// Behind the n-th digit; going forward also behind what stands between the groups, so that the next digit is seen in its place.
export function caretBehind(text: string, n: number, forward: boolean): number {
  let at = 0;
  for (let left = n; at < text.length && left > 0; at++) if (DIGIT.test(text.charAt(at))) left--;
  if (forward && n > 0) while (at < text.length && !DIGIT.test(text.charAt(at))) at++;
  return at;
}

// Backspace on a space takes the digit before it, Delete the one behind it: else nothing would seem to happen.
export function withoutNeighbour(before: string, now: string, digits: string, caret: number, inputType: string): { digits: string; left: number } {
  const left = digitsBefore(now, caret);
  const same = before.length > now.length && [...before].filter((c) => DIGIT.test(c)).join('') === digits;
  if (same && inputType === 'deleteContentBackward' && left > 0) {
    return { digits: digits.slice(0, left - 1) + digits.slice(left), left: left - 1 };
  }
  if (same && inputType === 'deleteContentForward') return { digits: digits.slice(0, left) + digits.slice(left + 1), left };
  return { digits, left };
}
