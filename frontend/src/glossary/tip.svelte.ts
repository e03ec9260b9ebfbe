/* What a term means, beside the term: one at a time, for a pointer, a finger and the keyboard. */
const LINGER_MS = 220;
const WIDTH = 320;
const EDGE = 8;
const ROOM = 150;

class Tip {
  term = $state(-1);
  left = $state(0);
  top = $state<number | null>(0);
  bottom = $state<number | null>(null);
  width = $state(WIDTH);
  private anchor: HTMLElement | null = null;
  private timer = 0;

  open(term: number, anchor: HTMLElement): void {
    this.stay();
    const box = anchor.getBoundingClientRect();
    this.width = Math.min(WIDTH, innerWidth - 2 * EDGE);
    this.left = Math.max(EDGE, Math.min(innerWidth - this.width - EDGE, box.left + box.width / 2 - this.width / 2));
    const isLow = box.bottom + ROOM > innerHeight && box.top > ROOM;
    this.top = isLow ? null : box.bottom + 6;
    this.bottom = isLow ? innerHeight - box.top + 6 : null;
    this.anchor = anchor;
    this.term = term;
  }

  /** The pointer is on its way to what is shown, or has left it. */
  closeSoon(): void {
    this.stay();
    this.timer = window.setTimeout(() => this.close(), LINGER_MS);
  }

  stay(): void {
    window.clearTimeout(this.timer);
  }

  close(): void {
    this.stay();
    this.term = -1;
    this.anchor = null;
  }

  isOf(target: EventTarget | null): boolean {
    return target instanceof Node && !!this.anchor?.contains(target);
  }
}

export const tip = new Tip();
