import type { ScramChallenge } from '../../shared/account/index.ts'
import { type ClientFirst, parseClientFinal, parseClientFirst } from './scram-messages.ts'

/** What a message of the client leads to. */
export type ScramAnswer =
  | { readonly kind: 'challenge'; readonly data: Uint8Array }
  /** `data` holds the server's signature. */
  | { readonly kind: 'proven'; readonly data: Uint8Array; readonly challenge: ScramChallenge }
  /** `wrong`: nobody has that name, or another password. `invalid`: it was no SCRAM, or not here. */
  | { readonly kind: 'failed'; readonly reason: 'wrong' | 'invalid' }

type State =
  | { readonly name: 'new' }
  | {
      readonly name: 'challenged'
      readonly first: ClientFirst
      readonly nonces: string
      readonly serverFirst: string
      readonly challenge: ScramChallenge
    }
  | { readonly name: 'ended' }

const WRONG = { kind: 'failed', reason: 'wrong' } as const
const INVALID = { kind: 'failed', reason: 'invalid' } as const

/**
 * The server's end of one SCRAM-SHA-256 exchange [RFC 5802, RFC 7677]:
 *
 *     client  n,,n=user,r=<nonce>                        who he is
 *     server  r=<nonce><more>,s=<salt>,i=<iterations>    how to prove it
 *     client  c=biws,r=<nonce><more>,p=<proof>
 *     server  v=<signature>                              the server knows the password as well
 *
 * What was heard of one exchange is worth nothing in another, since both sides have put their nonces into
 * the proofs.
 */
export class ScramServer {
  readonly #find: (user: string) => ScramChallenge | undefined
  readonly #nonce: string
  #state: State = { name: 'new' }

  /**
   * @param find what a user's proof is held against; undefined refuses
   * @param nonce of this exchange only: printable ASCII without a comma
   */
  constructor(find: (user: string) => ScramChallenge | undefined, nonce: string) {
    this.#find = find
    this.#nonce = nonce
  }

  /** Any failure is the end: what comes after it is invalid. */
  next(message: Uint8Array): ScramAnswer {
    const state = this.#state
    this.#state = { name: 'ended' }
    switch (state.name) {
      case 'new':
        return this.#challenge(message)
      case 'challenged': {
        const final = parseClientFinal(message)
        const binding = Buffer.from(state.first.gs2Header).toString('base64')
        if (final === undefined || final.channelBinding !== binding) return INVALID
        if (final.nonce !== state.nonces) return INVALID
        const authMessage = `${state.first.bare},${state.serverFirst},${final.withoutProof}`
        const signature = state.challenge.prove(authMessage, final.proof)
        if (signature === undefined) return WRONG
        const data = Buffer.from(`v=${Buffer.from(signature).toString('base64')}`)
        return { kind: 'proven', data, challenge: state.challenge }
      }
      case 'ended':
        return INVALID
    }
  }

  #challenge(message: Uint8Array): ScramAnswer {
    const first = parseClientFirst(message)
    if (first === undefined) return INVALID
    // Nobody may act as another one here.
    if (first.actsAs !== '' && first.actsAs !== first.user) return WRONG
    const challenge = this.#find(first.user)
    if (challenge === undefined) return WRONG
    const nonces = first.nonce + this.#nonce
    const salt = Buffer.from(challenge.salt).toString('base64')
    const serverFirst = `r=${nonces},s=${salt},i=${challenge.iterations}`
    this.#state = { name: 'challenged', first, nonces, serverFirst, challenge }
    return { kind: 'challenge', data: Buffer.from(serverFirst) }
  }
}
