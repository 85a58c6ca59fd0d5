import type { AccountBook } from '../account/index.ts'
import type { AccountSpace } from '../broker/index.ts'
import { LocalClient } from '../client/index.ts'
import type { CoreConfig, JetStreamConfig } from '../config/index.ts'
import type { Log } from '../log/index.ts'
import { PetioleError } from '../runtime/index.ts'
import type { Store } from '../store/index.ts'
import { type DescribeRequester, purgeAccount, StreamEngine, Turns } from '../stream/index.ts'
import { SERVER_VERSION } from '../wire/index.ts'
import { AbsentStreams } from './absent-streams.ts'
import type { Machine } from './core.ts'
import { ACCOUNTS_ASKED_MAX } from './limits.ts'
import { LimitsNow, ServerLimitsNow } from './limits-now.ts'
import { SpaceStreamPort } from './space-stream-port.ts'

export interface AccountEnginesParts {
  readonly machine: Machine
  readonly log: Log
  readonly serverName: string
  /** undefined: JetStream is off. */
  readonly store: Store | undefined
  readonly book: AccountBook
  readonly space: (account: string) => AccountSpace
  readonly nextPeerId: () => number
  /** The server's part of the configuration as it stands now. */
  readonly jetstream: () => JetStreamConfig
  /** Removes what front doors keep for an account. */
  readonly purgeOthers: (account: string) => Promise<void>
  readonly describeRequester: DescribeRequester
}

/**
 * The streams of each account that may have some.
 *
 * Accounts of the file have theirs from the start, or the reload that brings them, on. An operator's come when
 * somebody asks for them: those with streams on disk are asked for before anybody else comes, and their streams
 * are at work in the moment in which the account is known. When an account goes, or may have no streams any more,
 * they stop, and stay on disk: whoever returns finds them as they were.
 */
export class AccountEngines {
  readonly #parts: AccountEnginesParts
  readonly #engines = new Map<string, StreamEngine>()
  /** An engine stops before the next one of its account starts. */
  readonly #turns = new Turns()
  readonly #turning = new Set<Promise<void>>()
  readonly #serverLimits: ServerLimitsNow
  #absent: AbsentStreams | undefined
  #stopFollowing: (() => void) | undefined

  constructor(parts: AccountEnginesParts) {
    this.#parts = parts
    this.#serverLimits = new ServerLimitsNow(parts.jetstream, this.#engines)
  }

  get all(): ReadonlyMap<string, StreamEngine> {
    return this.#engines
  }

  /** What streams refused for want of room, since the start. */
  get refused(): { readonly messageIds: number } {
    return this.#serverLimits.refused
  }

  /** Throws PETIOLE_NO_STORE when JetStream is off: for parts that cannot do without. */
  of(account: string): StreamEngine {
    const engine = this.#engines.get(account)
    if (engine !== undefined) return engine
    throw new PetioleError(
      'PETIOLE_NO_STORE',
      this.#parts.store === undefined
        ? 'this needs a store: add `jetstream { store_dir: "…" }` to the configuration'
        : `there is no account ${account} with JetStream in the configuration`,
    )
  }

  /** Those of an account once what is under way with them is done; undefined: it has none at work. */
  settled(account: string): Promise<StreamEngine | undefined> {
    return this.#turns.take(account, async () => this.#engines.get(account))
  }

  /** Removes all streams of an account, known or not, and what front doors keep for it. Rejects with why not. */
  purge(account: string): Promise<number> {
    const { store, purgeOthers } = this.#parts
    if (store === undefined) return Promise.resolve(0)
    return this.#turns.take(account, async () => {
      const streams = await purgeAccount(store, account, this.#engines.get(account))
      await purgeOthers(account)
      return streams
    })
  }

  /** Recovers the streams of the accounts that have some: at the start. */
  async start(config: CoreConfig): Promise<void> {
    const { book, store } = this.#parts
    if (store === undefined) return
    await this.prepare(config)
    this.#absent ??= this.#makeAbsent(config)
    this.#stopFollowing ??= book.onChange((after, before) => {
      this.#follow(after?.name ?? before?.name ?? '', store, config)
    })
    if (config.operator !== undefined) await this.#findOwners(store, config)
  }

  /**
   * Recovers those of the accounts of the file that have none at work yet; when one cannot be, this rejects,
   * and none is. Before a reload nobody is in such an account. The result takes it back.
   */
  async prepare(config: CoreConfig): Promise<() => Promise<void>> {
    const { store } = this.#parts
    const opened: string[] = []
    const undo = async (): Promise<void> => {
      for (const name of opened) await this.#close(name)
    }
    if (store === undefined) return undo
    try {
      for (const { name, jetstream } of config.accounts) {
        if (!jetstream || this.#engines.has(name)) continue
        opened.push(name)
        await this.#open(name, store, config)
      }
      return undo
    } catch (error) {
      await undo()
      throw error
    }
  }

  async drain(): Promise<void> {
    this.#absent?.stop()
    this.#stopFollowing?.()
    await Promise.all(this.#turning)
    await Promise.all([...this.#engines.values()].map((engine) => engine.drain()))
  }

  async destroy(): Promise<void> {
    this.#absent?.stop()
    this.#stopFollowing?.()
    await Promise.all([...this.#engines.values()].map((engine) => engine.destroy()))
  }

  /** Asks for the accounts whose streams are on disk: with them they start. */
  async #findOwners(store: Store, config: CoreConfig): Promise<void> {
    const { book, log } = this.#parts
    const owners = ownersOf(store.streams.keys())
    for (const { name } of book.accounts()) owners.add(name)
    const names = [...owners].filter((name) => !this.#engines.has(name))
    for (let first = 0; first < names.length; first += ACCOUNTS_ASKED_MAX) {
      const some = names.slice(first, first + ACCOUNTS_ASKED_MAX)
      await Promise.all(
        some.map(async (account) => {
          if ((await book.fetch(account)) !== undefined) this.#follow(account, store, config)
          else log.warn({ account }, 'streams are kept, but not served: their account is not known')
        }),
      )
    }
    await Promise.all(this.#turning)
  }

  #follow(name: string, store: Store, config: CoreConfig): void {
    // Nothing to recover means that this is done when it returns: a client that comes finds its API.
    const turn = this.#turns.take(name, () =>
      this.#parts.book.get(name)?.config.jetstream === true
        ? this.#open(name, store, config)
        : this.#close(name),
    )
    // What one account's streams meet must not keep the others from being served.
    const turned: Promise<void> = turn
      .catch((error: unknown) => {
        const what = 'streams of an account did not start or stop: tried again when it changes'
        this.#parts.log.error({ account: name, err: error }, what)
      })
      .finally(() => this.#turning.delete(turned))
    this.#turning.add(turned)
  }

  async #open(name: string, store: Store, config: CoreConfig): Promise<void> {
    if (this.#engines.has(name)) return
    const engine = this.#make(name, store, config)
    this.#engines.set(name, engine)
    try {
      await engine.start()
    } catch (error) {
      // One that has started by half is never taken for one at work: the next change makes another.
      if (this.#engines.get(name) === engine) this.#engines.delete(name)
      await engine.destroy()
      throw error
    }
  }

  async #close(name: string): Promise<void> {
    const engine = this.#engines.get(name)
    this.#engines.delete(name)
    await engine?.drain()
  }

  /** Tells accounts that have no streams so, from now on. */
  #makeAbsent({ jetstream }: CoreConfig): AbsentStreams {
    const { machine, log, book, space, nextPeerId } = this.#parts
    const { clock, random } = machine
    const absent = new AbsentStreams({
      book,
      log: log.child({ part: 'streams' }),
      domain: jetstream.domain,
      isStrict: jetstream.strict,
      client: (account) => new LocalClient(space(account), nextPeerId(), clock, random),
      purge: (account) => this.purge(account),
    })
    absent.start()
    return absent
  }

  #make(account: string, store: Store, { jetstream }: CoreConfig): StreamEngine {
    const { machine, log, serverName, space, nextPeerId, book, describeRequester } = this.#parts
    return new StreamEngine({
      account,
      store,
      port: new SpaceStreamPort(space(account), nextPeerId()),
      clock: machine.clock,
      random: machine.random,
      log: log.child({ part: 'streams', account }),
      domain: jetstream.domain,
      serverName,
      serverVersion: SERVER_VERSION,
      areAcksNamed: jetstream.js_ack_fc_v2,
      describeRequester,
      limits: new LimitsNow(() => book.get(account), this.#serverLimits),
    })
  }
}

/** The accounts that streams belong to. What has no `/` in its name is no stream of anybody's, but a front door's. */
function ownersOf(keys: Iterable<string>): Set<string> {
  const owners = new Set<string>()
  for (const key of keys) {
    const end = key.indexOf('/')
    if (end >= 0) owners.add(key.slice(0, end))
  }
  return owners
}
