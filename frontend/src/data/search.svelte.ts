/* A search as it is told, line by line: its networks, what became of them, and the model so far. */
import { get } from "../api";
import { connection } from "../connection.svelte";
import type { JobFacts, SearchEvent, Words } from "../messages";

export interface Member {
  network: number;
  structure: Words | null;
  status: string;
  reason: Words | null;
  epoch: number;
  epochs: number;
  loss: number | null;
  points: [number, number][];
}

export class Search {
  facts = $state.raw<JobFacts | null>(null);
  members = $state.raw<Member[]>([]);
  kept = $state.raw<number[]>([]);
  lossName = $state("");
  ensemble = $state.raw<[number, number][]>([]);
  best = $state<number | null>(null);
  elapsed = $state(0);

  readonly isGoing = $derived(this.facts?.state === "running" || this.facts?.state === "stopping");
  readonly nCut = $derived(this.members.filter((one) => one.status === "cut").length);

  private readonly found = new Map<number, Member>();
  private source: EventSource | null = null;
  private clock = 0;
  private began = 0;

  private readonly leave: () => void;

  constructor(
    readonly id: string,
    private readonly fail: (error: unknown) => void,
  ) {
    this.leave = connection.onReturn(() => void this.resume());
  }

  async open(): Promise<void> {
    this.use(await get<JobFacts>(`/api/jobs/${this.id}`));
    this.listen();
  }

  use(facts: JobFacts): void {
    this.facts = facts;
    this.began = performance.now() - facts.seconds * 1000;
    this.elapsed = facts.seconds;
    window.clearInterval(this.clock);
    if (this.isGoing) this.clock = window.setInterval(() => (this.elapsed = (performance.now() - this.began) / 1000), 250);
  }

  listen(): void {
    this.source?.close();
    const source = new EventSource(`/api/jobs/${this.id}/events?after=${this.heard}`);
    source.addEventListener("search", (event) => {
      this.heard = Number((event as MessageEvent).lastEventId) || this.heard;
      this.hear(JSON.parse((event as MessageEvent<string>).data) as SearchEvent[]);
    });
    source.addEventListener("end", (event) => {
      source.close();
      this.source = null;
      this.use(JSON.parse((event as MessageEvent<string>).data) as JobFacts);
    });
    source.addEventListener("error", () => {
      if (this.source !== source) return;
      source.close(); // who comes again says what was heard last, to a studio started anew as well
      connection.doubt();
    });
    this.source = source;
  }

  /** Go on hearing from where it was, once the studio answers again. */
  private async resume(): Promise<void> {
    if (!this.source) return;
    try {
      await this.open();
    } catch (error) {
      this.fail(error);
    }
  }

  private heard = 0;

  close(): void {
    this.leave();
    this.source?.close();
    this.source = null;
    window.clearInterval(this.clock);
  }

  private member(network: number): Member {
    const known = this.found.get(network);
    if (known) return known;
    const made: Member = { network, structure: null, status: "begun", reason: null, epoch: 0, epochs: 0, loss: null, points: [] };
    this.found.set(network, made);
    return made;
  }

  private hear(events: SearchEvent[]): void {
    for (const one of events) {
      if (one.event === "epoch" && one.network != null) {
        const member = this.member(one.network);
        member.epoch = one.epoch ?? member.epoch;
        const loss = one.validation_loss ?? one.train_loss;
        const last = member.points[member.points.length - 1];
        // a network is trained on several folds, one after the other: its curve is that of the first
        if (loss != null && one.epoch != null && (!last || one.epoch > last[0])) member.points.push([one.epoch, loss]);
      } else if (one.event === "network" && one.number != null) {
        const member = this.member(one.number);
        member.structure = one.structure ?? member.structure;
        member.status = one.status ?? member.status;
        member.reason = one.reason || member.reason;
        member.epochs = one.epochs ?? member.epochs;
        member.loss = one.loss ?? member.loss;
        if (one.members) this.kept = [...one.members];
        if (one.loss_name) this.lossName = one.loss_name;
        if ((one.status === "complete" || one.status === "chosen") && one.loss != null) this.best = this.best === null ? one.loss : Math.min(this.best, one.loss);
        if (one.ensemble_loss != null) {
          const last = this.ensemble[this.ensemble.length - 1];
          if (!last || last[1] !== one.ensemble_loss) this.ensemble = [...this.ensemble, [this.ensemble.length + 1, one.ensemble_loss]];
        }
      }
    }
    this.members = [...this.found.values()].map((one) => ({ ...one, points: [...one.points] }));
  }
}
