import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { PasswordHashes } from '../runtime/index.ts'

const BCRYPT = /^\$2[abxy]\$\d{2}\$/
const KEY_BYTES = 32

/** Whether a password or token of the file is a bcrypt hash, as nats-server tells. */
export function isBcrypt(secret: string): boolean {
  return BCRYPT.test(secret)
}

/** One secret of the file, in a form that can be compared with but not read. */
export interface Secret {
  readonly isBcrypt: boolean
  /** Never rejects. */
  matches(presented: string): boolean | Promise<boolean>
}

/**
 * Makes comparable secrets. Plain ones are compared as keyed digests of equal length, so that the time
 * tells nothing of how much was right.
 */
export class Secrets {
  readonly #hashes: PasswordHashes
  readonly #key = randomBytes(KEY_BYTES)

  constructor(hashes: PasswordHashes) {
    this.#hashes = hashes
  }

  of(secret: string): Secret {
    if (isBcrypt(secret)) {
      return {
        isBcrypt: true,
        matches: (presented) => this.#hashes.matches(presented, secret),
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
