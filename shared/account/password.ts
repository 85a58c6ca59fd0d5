import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { parseScramVerifier } from '../config/index.ts'
import type { PasswordHashes } from '../runtime/index.ts'
import { type Asker, HashTurns } from './hash-turns.ts'
import { saslprep } from './saslprep.ts'

const BCRYPT = /^\$2[abxy]\$\d{2}\$/
const KEY_BYTES = 32

/** Whether a password or token of the file is a bcrypt hash, as nats-server tells. */
export function isBcrypt(secret: string): boolean {
  return BCRYPT.test(secret)
}

/** One secret of the file, in a form that can be compared with but not read. */
export interface Secret {
  readonly isBcrypt: boolean
  /** Never rejects. @param asker comparisons that take long are done in turn */
  matches(presented: string, asker: Asker): boolean | Promise<boolean>
}

/**
 * Makes comparable secrets. Plain ones are compared as keyed digests of equal length, so that the time
 * tells nothing of how much was right.
 */
export class Secrets {
  readonly #hashes: HashTurns
  readonly #key = randomBytes(KEY_BYTES)

  constructor(hashes: PasswordHashes) {
    this.#hashes = new HashTurns(hashes)
  }

  of(secret: string): Secret {
    if (isBcrypt(secret)) {
      return {
        isBcrypt: true,
        matches: (presented, asker) => this.#hashes.matches(presented, secret, asker),
      }
    }
    if (parseScramVerifier(secret) !== undefined) {
      return {
        isBcrypt: false,
        matches: (presented, asker) =>
          this.#hashes.matches(saslprep(presented) ?? presented, secret, asker),
      }
    }
    const digest = this.digest(secret)
    return {
      isBcrypt: false,
      matches: (presented) => timingSafeEqual(this.digest(presented), digest),
    }
  }

  digest(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest()
  }
}
