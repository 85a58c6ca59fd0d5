import { atOnce } from '../shared/account/index.ts'
import type { Random } from '../shared/runtime/index.ts'
import type { Core } from '../shared/server/index.ts'
import { CONNACK, type ConnectPacket } from './codec/index.ts'
import type { MqttCounters } from './counters.ts'
import type { MqttLimits } from './limits.ts'
import type { Notices } from './notices.ts'
import type { Admission, ClientConnection } from './session/index.ts'

const ASSIGNED_ID_BYTES = 12

export interface ClientsOptions {
  readonly limits: MqttLimits
  readonly counters: MqttCounters
  readonly notices: Notices
}

/** Who is connected, by account and client id: lets clients in, one connection for each id. */
export class Clients {
  readonly #core: Core
  readonly #options: ClientsOptions
  readonly #byKey = new Map<string, ClientConnection>()
  readonly #keys = new Map<ClientConnection, string>()

  constructor(core: Core, options: ClientsOptions) {
    this.#core = core
    this.#options = options
  }

  admit(packet: ConnectPacket, client: ClientConnection): Admission {
    if (packet.clientId === '' && !packet.isClean) {
      return refusal(CONNACK.identifierRejected, 'client id is empty without a clean session')
    }
    const identity = this.#authenticate(packet)
    if (identity === undefined) {
      return refusal(CONNACK.notAuthorized, 'user name or password is wrong')
    }
    const clientId = packet.clientId === '' ? assignId(this.#core.machine.random) : packet.clientId
    const key = `${identity.account}\0${clientId}`
    const elder = this.#byKey.get(key)
    const { counters, limits, notices } = this.#options
    if (elder === undefined && this.#byKey.size >= limits.clientsMax) {
      notices.warn({ max: limits.clientsMax }, 'too many clients: refusing connections')
      return refusal(CONNACK.serverUnavailable, 'too many clients')
    }
    elder?.takeOver()
    if (!packet.isClean) {
      notices.once(
        { client: clientId },
        'sessions are kept while connected only, not across connections',
      )
    }
    this.#byKey.set(key, client)
    this.#keys.set(client, key)
    counters.clients = this.#byKey.size
    counters.clientsTotal++
    return { kind: 'admitted', clientId, space: this.#core.space(identity.account) }
  }

  left(client: ClientConnection): void {
    const key = this.#keys.get(client)
    if (key === undefined) return
    this.#keys.delete(client)
    this.#byKey.delete(key)
    this.#options.counters.clients = this.#byKey.size
  }

  #authenticate(packet: ConnectPacket): { readonly account: string } | undefined {
    const { authenticator } = this.#core
    const { user, password } = packet
    if (user === undefined) return atOnce(authenticator.authenticate({}))
    if (password === undefined) return atOnce(authenticator.authenticate({ user }))
    // Most devices can send a token only as a password, beside whatever user name.
    return (
      atOnce(authenticator.authenticate({ user, password })) ??
      atOnce(authenticator.authenticate({ token: password }))
    )
  }
}

function refusal(returnCode: number, reason: string): Admission {
  return { kind: 'refused', returnCode, reason }
}

function assignId(random: Random): string {
  return `auto-${Buffer.from(random.bytes(ASSIGNED_ID_BYTES)).toString('base64url')}`
}
