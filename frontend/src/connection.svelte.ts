/* Whether the studio can be reached; once it could, who lost it asks until it can again. */
const PAUSE_MS = 500;
const DOOR = "/api/welcome";

class Connection {
  /** well, lost (nobody answers), or locked (a studio started anew does not know this browser). */
  state = $state<"well" | "lost" | "locked">("well");
  /** How often a studio started anew has let this page in: what was read from the one before is read again. */
  times = $state(0);
  private hasBeenWell = false;
  private timer = 0;
  private readonly waiting = new Set<() => void>();

  /** A page that was never let in does not ask again by itself. */
  begin(): void {
    this.hasBeenWell = true;
  }

  lose(): void {
    this.become("lost");
  }

  /** Something ended that should have gone on: ask, before anything is said of it. */
  doubt(): void {
    if (this.hasBeenWell && this.state === "well") this.askSoon();
  }

  lock(): void {
    this.become("locked");
  }

  /** Do something each time the connection is there again. */
  onReturn(act: () => void): () => void {
    this.waiting.add(act);
    return () => this.waiting.delete(act);
  }

  private become(state: "lost" | "locked"): void {
    if (!this.hasBeenWell) return;
    this.state = state;
    this.askSoon();
  }

  private askSoon(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.probe(), PAUSE_MS);
  }

  private async probe(): Promise<void> {
    const response = await fetch(DOOR).catch(() => null);
    if (!response) return this.lose();
    if (response.status === 401) return this.lock();
    if (this.state === "locked") this.times += 1;
    this.state = "well";
    for (const act of [...this.waiting]) act();
  }
}

export const connection = new Connection();
