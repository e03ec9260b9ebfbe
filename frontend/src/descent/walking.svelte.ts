/* Walking through steps: on, back, play, pause, scrub. */
export class Player {
  position = $state(0);
  last = $state(0);
  isPlaying = $state(false);
  private timer = 0;

  constructor(
    private readonly pauseMs: number,
    private readonly stride = 1,
  ) {}

  /** Begin anew with so many steps. */
  begin(last: number, position = 0): void {
    this.last = last;
    this.position = Math.min(position, last);
  }

  goTo(position: number): void {
    this.position = Math.max(0, Math.min(this.last, Math.round(position)));
  }

  walk(by: number): void {
    this.pause();
    this.goTo(this.position + by);
  }

  play(): void {
    if (this.position >= this.last) this.position = 0;
    this.isPlaying = true;
    const tick = () => {
      this.goTo(this.position + this.stride);
      if (this.position >= this.last) this.pause();
      else this.timer = window.setTimeout(tick, this.pauseMs);
    };
    this.timer = window.setTimeout(tick, this.pauseMs);
  }

  pause(): void {
    this.isPlaying = false;
    window.clearTimeout(this.timer);
  }

  toggle(): void {
    if (this.isPlaying) this.pause();
    else this.play();
  }
}
