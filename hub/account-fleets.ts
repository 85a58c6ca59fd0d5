import { GLOBAL_ACCOUNT } from '../shared/account/index.ts'
import { type ClientMessage, LocalClient } from '../shared/client/index.ts'
import { rootOf } from '../shared/imports/index.ts'
import type { AttachedLeaf, LeafHello } from '../shared/link/index.ts'
import type { ServerCore } from '../shared/server/index.ts'
import type { Store } from '../shared/store/index.ts'
import { Turns } from '../shared/stream/index.ts'
import { AccountFleet } from './account-fleet.ts'
import {
  type AccountLabel,
  type AuditLine,
  type DeskAnswers,
  FleetDesk,
  FleetMarks,
  type FleetStatus,
  namesAccount,
} from './fleet/index.ts'
import { CommitRoom } from './ingest/index.ts'

/**
 * The fleet's services in every account that has leaves, and what is said of all of them together.
 *
 * The default account has them always. Any other gets them when the first leaf attaches to it, or at the start
 * when its ledger is on disk: its leaves may come over other hubs. They end with the account, and with its
 * streams; what is on disk stays, and whoever returns goes on from there.
 *
 * Who asks in an account hears of its own leaves. Clients of the default account at this hub, and those of the
 * system account, are the operators: they hear of all.
 */
export class AccountFleets {
  readonly #core: ServerCore
  readonly #store: Store
  readonly #home: string
  readonly #marks: FleetMarks
  readonly #room = new CommitRoom()
  readonly #open = new Map<string, AccountFleet>()
  /** One of an account has ended before the next one begins: it reads what that one has written. */
  readonly #turns = new Turns()
  readonly #turning = new Set<Promise<void>>()
  /** Accounts that leaves have come to, and that have no streams: said once. */
  readonly #withoutStreams = new Set<string>()
  #systemClient: LocalClient | undefined
  #systemDesk: FleetDesk | undefined
  #stopFollowing: () => void = () => {}
  #isClosing = false

  /** @param home what leaves know this hub's store by */
  constructor(core: ServerCore, store: Store, home: string) {
    this.#core = core
    this.#store = store
    this.#home = home
    this.#marks = new FleetMarks(store.marks)
  }

  async start(): Promise<void> {
    const { book } = this.#core.accounts
    this.#stopFollowing = book.onChange((after, before) =>
      this.#changed(after?.name ?? before?.name ?? ''),
    )
    await this.#turn(GLOBAL_ACCOUNT)
    for (const account of this.#marks.owners) this.#follow(account)
    await Promise.all(this.#turning)
    this.#openSystemDesk(book.systemAccount)
  }

  /** Why a leaf may not attach; undefined when it may. Its hello is looked at again by who answers it. */
  admit(leaf: LeafHello): string | undefined {
    return leaf.isPetiole ? this.#open.get(leaf.account)?.admit(leaf) : undefined
  }

  attached({ hello }: AttachedLeaf): void {
    const fleet = this.#open.get(hello.account)
    if (fleet === undefined) this.#follow(hello.account)
    else fleet.registry.heard(hello.name)
  }

  detached({ hello }: AttachedLeaf): void {
    this.#open.get(hello.account)?.fleet.left(hello.name)
  }

  /** Of all accounts, as it is known without asking. */
  status(): FleetStatus {
    return merged(this.#all.map(({ fleet }) => fleet.status()))
  }

  /** Of all accounts, when the leaves have been asked. */
  async freshStatus(): Promise<FleetStatus> {
    return merged(await Promise.all(this.#all.map(({ fleet }) => fleet.freshStatus())))
  }

  audit(): AuditLine[] {
    return this.#all.flatMap((fleet) => fleet.audit())
  }

  async drain(): Promise<void> {
    this.#close()
    await Promise.all(this.#turning)
    await Promise.all([...this.#open.values()].map((fleet) => fleet.drain()))
    await this.#systemDesk?.drain()
    await this.#systemClient?.drain()
  }

  async destroy(): Promise<void> {
    this.#close()
    this.#systemClient?.destroy()
    await Promise.all([...this.#open.values()].map((fleet) => fleet.destroy()))
    await this.#systemDesk?.destroy()
    await Promise.all(this.#turning)
  }

  #close(): void {
    this.#isClosing = true
    this.#stopFollowing()
  }

  /** The default account first, the others by their names. */
  get #all(): AccountFleet[] {
    const order = (account: string): string => (account === GLOBAL_ACCOUNT ? '' : account)
    return [...this.#open.values()].sort((a, b) => (order(a.account) < order(b.account) ? -1 : 1))
  }

  #changed(account: string): void {
    if (this.#open.has(account) || this.#isNeeded(account)) this.#follow(account)
  }

  #isNeeded(account: string): boolean {
    if (account === GLOBAL_ACCOUNT || this.#marks.has(account)) return true
    return this.#core.acceptor.leaves.some(({ hello }) => hello.account === account)
  }

  /** Opens or ends the services of an account, as it stands when its turn has come. */
  #follow(account: string): void {
    if (this.#isClosing) return
    const turned: Promise<void> = this.#turns
      .take(account, () => this.#turn(account))
      .catch((error: unknown) => {
        this.#core.log.error({ account, err: error }, 'the fleet of an account is not served')
      })
      .finally(() => this.#turning.delete(turned))
    this.#turning.add(turned)
  }

  async #turn(account: string): Promise<void> {
    const engine = await this.#core.settledEngine(account)
    const known = account === GLOBAL_ACCOUNT || this.#core.accounts.book.get(account) !== undefined
    const open = this.#open.get(account)
    if (open !== undefined && (!known || open.engine !== engine)) {
      this.#open.delete(account)
      await open.drain()
    }
    if (this.#isClosing || this.#open.has(account) || !known) return
    if (engine === undefined) return this.#lacksStreams(account)
    this.#withoutStreams.delete(account)
    const fleet = this.#make(account, engine)
    this.#open.set(account, fleet)
    for (const { hello } of this.#core.acceptor.leaves) {
      if (hello.account === account && hello.isPetiole) fleet.admit(hello)
    }
    fleet.start()
  }

  #make(account: string, engine: AccountFleet['engine']): AccountFleet {
    const isDefault = account === GLOBAL_ACCOUNT
    return new AccountFleet({
      account,
      engine,
      core: this.#core,
      store: this.#store,
      home: this.#home,
      room: this.#room,
      marks: isDefault ? this.#marks.default : this.#marks.of(account),
      label: isDefault ? {} : this.#labelOf(account),
      knowsElsewhere: (buffer, incarnation) =>
        this.#all.some((it) => it.ingest.book.knowsHistory(buffer, incarnation)),
      answers: isDefault ? this.#answersForAll : this.#answersOf(account),
      isForAll: isDefault,
    })
  }

  #labelOf(account: string): AccountLabel {
    const shown = this.#core.accounts.book.get(account)?.displayName ?? account
    return { account, ...(shown === account ? {} : { account_name: shown }) }
  }

  #lacksStreams(account: string): void {
    if (this.#withoutStreams.has(account) || account === this.#core.accounts.book.systemAccount) {
      return
    }
    this.#withoutStreams.add(account)
    const what = 'leaves of an account cannot sync their buffers: it has no JetStream'
    this.#core.log.warn({ account }, what)
  }

  #answersOf(account: string): DeskAnswers {
    return {
      status: async () => (await this.#open.get(account)?.fleet.freshStatus()) ?? merged([]),
      release: (name) => this.#release(name, this.#open.get(account)),
    }
  }

  readonly #answersForAll: DeskAnswers = {
    status: (asker) =>
      isOperator(asker) ? this.freshStatus() : this.#answersOf(GLOBAL_ACCOUNT).status(asker),
    release: async (name, token, asker) => {
      if (token === '') return this.#release(name, this.#open.get(GLOBAL_ACCOUNT))
      if (!isOperator(asker)) return 'names in other accounts are released by operators only'
      return this.#release(
        name,
        this.#all.find(({ account }) => namesAccount(token, account)),
      )
    },
  }

  async #release(name: string, of: AccountFleet | undefined): Promise<string | undefined> {
    return of === undefined ? 'no leaf of that account is known here' : of.fleet.release(name)
  }

  #openSystemDesk(account: string): void {
    if (account === '' || account === GLOBAL_ACCOUNT) return
    const { machine, log } = this.#core
    const space = this.#core.space(account)
    this.#systemClient = new LocalClient(
      space,
      this.#core.nextPeerId(),
      machine.clock,
      machine.random,
    )
    this.#systemDesk = new FleetDesk({
      client: this.#systemClient,
      log: log.child({ part: 'fleet' }),
      answers: this.#answersForAll,
      isForAll: true,
    })
    this.#systemDesk.start()
  }
}

/** A leaf is none, nor who comes from another account by an import: they hear of the default account alone. */
function isOperator({ origin }: ClientMessage): boolean {
  return origin === undefined || (origin.kind !== 'leaf' && rootOf(origin) === origin)
}

/** Each is of one account. */
function merged(parts: readonly FleetStatus[]): FleetStatus {
  const [first = { as_of: '' }] = parts
  return { ...first, leaves: parts.flatMap(({ leaves }) => leaves) }
}
