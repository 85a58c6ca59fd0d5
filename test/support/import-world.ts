import { StaticAccountBook } from '../../shared/account/index.ts'
import {
  AccountSpace,
  type Message,
  type Peer,
  type PublishOptions,
  type Subscription,
} from '../../shared/broker/index.ts'
import type { AccountConfig } from '../../shared/config/index.ts'
import { type BuiltInImport, Imports, type PeerDescription } from '../../shared/imports/index.ts'
import type { LogFields } from '../../shared/log/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { ManualClock } from './manual-clock.ts'

/** Accounts and their imports on bare subject spaces, without connections. */
export class ImportWorld {
  readonly clock = new ManualClock()
  readonly random: SeededRandom
  readonly book: StaticAccountBook
  readonly imports: Imports
  readonly descriptions = new Map<Peer, PeerDescription>()
  readonly warnings: LogFields[] = []
  readonly #spaces = new Map<string, AccountSpace>()
  #ids = 0

  constructor(
    accounts: readonly AccountConfig[],
    options: { seed?: number; systemAccount?: string; builtIns?: readonly BuiltInImport[] } = {},
  ) {
    this.random = new SeededRandom(options.seed ?? 1)
    this.book = new StaticAccountBook(accounts, options.systemAccount ?? '')
    this.imports = new Imports({
      clock: this.clock,
      random: this.random,
      log: { ...silentLog, warn: (fields) => void this.warnings.push(fields) },
      book: this.book,
      space: (account) => this.space(account),
      nextPeerId: () => ++this.#ids,
      place: { server: 'test', cluster: '' },
      describe: (peer) => this.descriptions.get(peer),
      builtIns: () => options.builtIns ?? [],
    })
  }

  space(account: string): AccountSpace {
    let space = this.#spaces.get(account)
    if (space === undefined) {
      space = new AccountSpace(this.random, account)
      this.#spaces.set(account, space)
    }
    return space
  }

  publish(
    account: string,
    origin: Peer,
    subject: string,
    parts: { reply?: string; headers?: Uint8Array; payload?: string; shown?: string } = {},
    options?: PublishOptions,
  ): number {
    const publication = {
      subject: Buffer.from(subject),
      reply: Buffer.from(parts.reply ?? ''),
      headers: parts.headers ?? new Uint8Array(0),
      payload: Buffer.from(parts.payload ?? 'hello'),
    }
    const shown = parts.shown === undefined ? {} : { shownSubject: Buffer.from(parts.shown) }
    return this.space(account).publish(origin, { ...publication, ...shown }, options)
  }

  subjects(account: string): string[] {
    return [...this.space(account).subscriptions()].map(({ subject }) => subject).toSorted()
  }
}

/** Answers each request with what `answer` makes of it, from within the delivery. */
export function answering(
  world: ImportWorld,
  account: string,
  peer: Peer,
  answer: (message: Message) => readonly string[],
): (subscription: Subscription, message: Message) => void {
  return (_subscription, message) => {
    for (const payload of answer(message)) {
      world.publish(account, peer, message.reply, { payload })
    }
  }
}
