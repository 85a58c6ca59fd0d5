import { type ClaimsService, type Identity, StaticAccountBook } from '../../shared/account/index.ts'
import { AccountSpace, type Peer } from '../../shared/broker/index.ts'
import { LocalClient } from '../../shared/client/index.ts'
import { type AccountConfig, parseConfig } from '../../shared/config/index.ts'
import { silentLog } from '../../shared/log/index.ts'
import { type MonitorSources, Reports } from '../../shared/monitor/index.ts'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { type SystemPorts, SystemServices } from '../../shared/system/index.ts'
import { ManualClock } from './manual-clock.ts'
import { monitorSources } from './monitor-facts.ts'

/** Accounts $G, B and $SYS without a server: the system's services on real subject spaces and a still clock. */
export class SystemWorld {
  readonly clock = new TurningClock()
  readonly random = new SeededRandom(7)
  readonly book = new StaticAccountBook(accountsNamed('$G', 'B', '$SYS'), '$SYS')
  readonly services: SystemServices
  /** What administrators had done. */
  readonly done: string[] = []
  readonly #spaces = new Map<string, AccountSpace>()
  readonly #identities = new Map<number, Identity>()
  #peers = 0

  constructor(changes: Partial<MonitorSources> = {}, claims?: ClaimsService) {
    const sources = monitorSources(changes)
    const http = () => ({ host: '', port: 0, securePort: 0, basePath: '' })
    const ports: SystemPorts = {
      clock: this.clock,
      random: this.random,
      log: silentLog,
      reports: new Reports({ clock: this.clock, sources, http }),
      book: this.book,
      client: (account) => this.client(account),
      subscriptions: (account) => this.space(account).subscriptions(),
      identityOf: (peer: Peer) => this.#identities.get(peer.id),
      admin: {
        reload: async () => {
          this.done.push('reload')
        },
        kick: (id) => this.done.push(`kick ${id}`) > 0 && id === 7,
        lameDuck: (id) => (id === 7 ? 'told' : id === 8 ? 'not_ready' : 'unknown'),
      },
      claims,
    }
    this.services = new SystemServices(ports)
  }

  space(account: string): AccountSpace {
    let space = this.#spaces.get(account)
    if (space === undefined) {
      space = new AccountSpace(this.random, account)
      this.#spaces.set(account, space)
    }
    return space
  }

  /** @param identity who the client is, when it is a user's */
  client(account: string, identity?: Identity): LocalClient {
    const client = new LocalClient(this.space(account), ++this.#peers, this.clock, this.random)
    if (identity !== undefined) this.#identities.set(client.id, identity)
    return client
  }

  /** Everything that a client hears on a subject from now on, as JSON. */
  hear(client: LocalClient, subject: string): Heard {
    // biome-ignore lint/suspicious/noExplicitAny: whatever is said
    const heard: { subject: string; body: any }[] = []
    client.subscribe(subject, (message) => {
      heard.push({
        subject: message.subject,
        body: JSON.parse(Buffer.from(message.payload).toString()),
      })
    })
    return heard
  }

  // biome-ignore lint/suspicious/noExplicitAny: whatever is said
  async ask(client: LocalClient, subject: string, body = ''): Promise<any> {
    const answer = await client.request(subject, Buffer.from(body), { deadlineMs: 1_000 })
    return JSON.parse(Buffer.from(answer.payload).toString())
  }
}

/** Time stands still, and turns of the event loop are real ones. */
class TurningClock extends ManualClock {
  override soon(fn: () => void): void {
    setImmediate(fn)
  }
}

// biome-ignore lint/suspicious/noExplicitAny: whatever is said
export type Heard = { subject: string; body: any }[]

/** Lets what is queued for later turns happen. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function accountsNamed(...names: readonly string[]): AccountConfig[] {
  const model = parseConfig({}, 'hub').accounts[0]
  if (model === undefined) throw new Error('no account')
  return names.map((name) => ({ ...model, name }))
}
