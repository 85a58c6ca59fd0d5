import type { Authenticator, Credentials, Identity } from '../../shared/account/index.ts'
import type { Random } from '../../shared/runtime/index.ts'
import { type ConnectPacket, REASON, type ReasonPacket } from '../codec/index.ts'
import { SCRAM_NONCE_BYTES } from './limits.ts'
import { ScramServer } from './scram-server.ts'

/** The only method; names are compared as they are. */
export const SCRAM_METHOD = 'SCRAM-SHA-256'

/** What the connection has to do next. */
export type Step =
  /** AUTH 0x18 with the method and these data. */
  | { readonly kind: 'continue'; readonly data: Uint8Array }
  /**
   * The user has proven his password; `identity` is what the authenticator says of him, as after a password:
   * undefined refuses him all the same. Admitted, the answer carries the method and these data: CONNACK 0,
   * or AUTH 0x00 when it was a re-authentication.
   */
  | {
      readonly kind: 'done'
      readonly identity: Identity | undefined | Promise<Identity | undefined>
      readonly data: Uint8Array
    }
  /** The reason code for CONNACK, or for DISCONNECT after it, which may carry each of them; then the end. */
  | { readonly kind: 'refused'; readonly reasonCode: number; readonly reason: string }

/** An exchange is under way before CONNACK, or after it; without one the client may begin another. */
type State = 'new' | 'connecting' | 'connected' | 'again' | 'ended'

type Door = Pick<Authenticator, 'authenticate' | 'challenge'>

/**
 * Enhanced authentication of one connection of MQTT 5 whose CONNECT names a method: the exchange before CONNACK,
 * and those by which the client proves itself again while it is connected. Source: MQTT 5, 4.12.
 */
export class Authentication {
  readonly #door: Door
  readonly #random: Random
  readonly #credentials: Credentials
  #state: State = 'new'
  #scram: ScramServer | undefined
  /** As the client calls itself; whoever proves himself again must be the same. */
  #name = ''

  /** @param credentials where and how the client comes, without what it says of its user */
  constructor(door: Door, random: Random, credentials: Credentials) {
    this.#door = door
    this.#random = random
    this.#credentials = credentials
  }

  /**
   * Once, with the CONNECT. `refused` with 0x8C for another method, or where no user has a password that SCRAM
   * can use [MQTT-4.12.0-1]; a password beside the method is not looked at.
   */
  begin({ properties, user = '' }: ConnectPacket): Step {
    const { authenticationData, authenticationMethod } = properties
    if (authenticationMethod !== SCRAM_METHOD || this.#challenge(user) === undefined) {
      this.#state = 'ended'
      return refused(REASON.badAuthenticationMethod, 'authentication method is not served')
    }
    this.#name = user
    this.#state = 'connecting'
    this.#scram = this.#exchange()
    return this.#next(authenticationData)
  }

  /**
   * An AUTH of the client: of the method of its CONNECT [MQTT-4.12.0-5, 4.12.1-1], and of an exchange that is
   * under way (0x18), or the beginning of another one once it is connected (0x19). Else `refused` with 0x82.
   */
  continue({ properties, reason }: ReasonPacket): Step {
    const { authenticationData, authenticationMethod } = properties
    if (authenticationMethod !== SCRAM_METHOD) return this.#misused('AUTH of another method')
    if (reason === REASON.reAuthenticate) {
      if (this.#state !== 'connected') return this.#misused('AUTH begins an exchange in another')
      this.#state = 'again'
      this.#scram = this.#exchange()
    } else if (this.#state !== 'connecting' && this.#state !== 'again') {
      return this.#misused('AUTH goes on with no exchange')
    }
    return this.#next(authenticationData)
  }

  #next(data: Uint8Array | undefined): Step {
    const answer = this.#scram?.next(data ?? NOTHING)
    if (answer?.kind === 'challenge') return { kind: 'continue', data: answer.data }
    if (answer?.kind !== 'proven') return this.#failed(answer?.reason === 'wrong')
    this.#scram = undefined
    this.#state = 'connected'
    const { challenge: scram, data: signature } = answer
    const { user = '' } = scram
    const identity = this.#door.authenticate({ ...this.#credentials, user, scram })
    return { kind: 'done', identity, data: signature }
  }

  #exchange(): ScramServer {
    const nonce = Buffer.from(this.#random.bytes(SCRAM_NONCE_BYTES)).toString('base64')
    return new ScramServer((user) => {
      if (this.#name !== '' && this.#name !== user) return undefined
      this.#name = user
      return this.#challenge(user)
    }, nonce)
  }

  #challenge(user: string) {
    return this.#door.challenge?.({ ...this.#credentials, user })
  }

  /** A DISCONNECT has no code for bad passwords. */
  #failed(isWrong: boolean): Step {
    const isConnected = this.#state === 'again'
    this.#state = 'ended'
    const code = isConnected || !isWrong ? REASON.notAuthorized : REASON.badUserNameOrPassword
    const what = isWrong ? 'user name or password is wrong' : 'authentication data is no SCRAM'
    return refused(code, what)
  }

  #misused(reason: string): Step {
    this.#state = 'ended'
    return refused(REASON.protocolError, reason)
  }
}

const NOTHING = new Uint8Array(0)

function refused(reasonCode: number, reason: string): Step {
  return { kind: 'refused', reasonCode, reason }
}
