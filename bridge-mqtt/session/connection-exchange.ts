import type { Identity } from '../../shared/account/index.ts'
import { type Authentication, SCRAM_METHOD, type Step } from '../auth/index.ts'
import {
  type ConnectPacket,
  decodeAuth,
  type Frame,
  type Properties,
  REASON,
  type Violation,
} from '../codec/index.ts'
import type { Answers } from './connection-answers.ts'
import type { InputGate } from './input-gate.ts'

/** What becomes of an exchange: before CONNACK the handshake's matter, after it the session's. */
export interface ExchangeOutcome {
  readonly isGone: boolean
  /** @param proof properties of the answer that says so */
  proven(identity: Identity | undefined, proof: Properties): void
  failed(reason: number, text: string): void
  /** Whoever was asked about the user failed in an unexpected way. */
  broke(error: unknown): void
}

/** Enhanced authentication on one connection: sends what the steps of an exchange say (MQTT 5, 4.12). */
export class Exchange {
  /** Whoever goes on when the exchange is over. */
  outcome: ExchangeOutcome
  readonly #authentication: Authentication
  readonly #answers: Answers
  readonly #input: InputGate

  constructor(
    authentication: Authentication,
    answers: Answers,
    input: InputGate,
    outcome: ExchangeOutcome,
  ) {
    this.#authentication = authentication
    this.#answers = answers
    this.#input = input
    this.outcome = outcome
  }

  begin(packet: ConnectPacket): void {
    this.#take(this.#authentication.begin(packet))
  }

  /** An AUTH of the client. */
  read(bytes: Uint8Array, frame: Frame): Violation | undefined {
    const packet = decodeAuth(bytes, frame, 'client')
    if ('rule' in packet) return packet
    this.#take(this.#authentication.continue(packet))
    return undefined
  }

  #take(step: Step): void {
    if (step.kind === 'refused') this.outcome.failed(step.reasonCode, step.reason)
    else if (step.kind === 'continue') {
      this.#answers.auth(REASON.continueAuthentication, said(step.data))
    } else if (step.identity instanceof Promise) this.#await(step.identity, said(step.data))
    else this.outcome.proven(step.identity, said(step.data))
  }

  #await(identity: Promise<Identity | undefined>, proof: Properties): void {
    this.#input.close('login')
    const proven = (found: Identity | undefined): void => {
      if (this.outcome.isGone) return
      this.outcome.proven(found, proof)
      this.#input.open('login')
    }
    identity.then(proven).catch((error: unknown) => this.outcome.broke(error))
  }
}

function said(data: Uint8Array): Properties {
  return { authenticationMethod: SCRAM_METHOD, authenticationData: data }
}
