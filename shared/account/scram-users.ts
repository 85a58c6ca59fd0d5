import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import {
  parseScramVerifier,
  SCRAM_ITERATIONS_MIN,
  type ScramVerifier,
  type UserConfig,
} from '../config/index.ts'
import { isBcrypt, type Secrets } from './password.ts'
import { saslprep } from './saslprep.ts'

const SALT_BYTES = 16
const KEY_BYTES = 32

/**
 * Users of a file who can log in by SCRAM-SHA-256 [RFC 5802, RFC 7677]: those whose password stands there in
 * plain, or as a verifier. From a bcrypt hash no keys can be made.
 *
 * Nobody may learn from an answer who exists. An unknown name has a salt that is always the same for it, as users
 * with plain passwords have, and otherwise stands for one of the users: that one's iterations, and the time that
 * that one's proof takes.
 */
export class ScramUsers {
  readonly #secrets: Secrets
  readonly #users: readonly ScramUser[]
  readonly #byName: ReadonlyMap<string, ScramUser>

  constructor(users: readonly UserConfig[], secrets: Secrets) {
    this.#secrets = secrets
    this.#users = users.filter(canProve).map((config) => {
      const name = preparedOr(config.user)
      return { config, name, keys: new LazyKeys(config.password, () => this.#saltOf(name)) }
    })
    this.#byName = new Map(this.#users.map((user) => [user.name, user]))
  }

  /** What the exchange of somebody who calls himself so is held against; undefined when there is no user at all. */
  challenge(name: string): ScramChallenge | undefined {
    const prepared = preparedOr(name)
    const user = this.#byName.get(prepared)
    if (user !== undefined) return new ScramChallenge(user.config, user.keys, user.keys.salt)
    const nth = this.#secrets.digest(prepared).readUInt32LE(0) % this.#users.length
    const model = this.#users[nth]
    if (model === undefined) return undefined
    const salt = this.#saltOf(prepared, model.keys.salt.length)
    return new ScramChallenge(undefined, model.keys, salt)
  }

  #saltOf(name: string, size = SALT_BYTES): Uint8Array {
    const digests = [0, 1].map((n) => this.#secrets.digest(`salt ${n} ${name}`))
    return Buffer.concat(digests).subarray(0, size)
  }
}

interface ScramUser {
  readonly config: UserConfig
  readonly name: string
  readonly keys: LazyKeys
}

/** Whoever has no password at all would be whoever knows his name. */
function canProve({ nkey, password }: UserConfig): boolean {
  return nkey === '' && password !== '' && !isBcrypt(password)
}

function preparedOr(text: string): string {
  return saslprep(text) ?? text
}

/** Of a plain password they are made once, when they are first asked for: that takes milliseconds. */
class LazyKeys {
  readonly #password: string
  readonly #saltOf: () => Uint8Array
  #verifier: ScramVerifier | undefined

  constructor(password: string, saltOf: () => Uint8Array) {
    this.#password = password
    this.#saltOf = saltOf
    this.#verifier = parseScramVerifier(password)
  }

  get salt(): Uint8Array {
    return this.#verifier?.salt ?? this.#saltOf()
  }

  get iterations(): number {
    return this.#verifier?.iterations ?? SCRAM_ITERATIONS_MIN
  }

  get verifier(): ScramVerifier {
    this.#verifier ??= makeScramVerifier(this.#password, this.#saltOf(), SCRAM_ITERATIONS_MIN)
    return this.#verifier
  }
}

/** One exchange: what the client has to know, and whether it has proven its password. */
export class ScramChallenge {
  readonly salt: Uint8Array
  readonly #user: UserConfig | undefined
  readonly #keys: LazyKeys
  #isProven = false

  /** @param user undefined for a name that nobody has: it proves nothing, whatever comes */
  constructor(user: UserConfig | undefined, keys: LazyKeys, salt: Uint8Array) {
    this.#user = user
    this.#keys = keys
    this.salt = salt
  }

  get iterations(): number {
    return this.#keys.iterations
  }

  /** As the file has it; undefined until proven. */
  get user(): string | undefined {
    return this.#isProven ? this.#user?.user : undefined
  }

  /**
   * The server's signature, by which the client knows that this is no impostor; undefined when the client's
   * proof is wrong. The time is the same either way.
   *
   * @param proof ClientProof, 32 bytes
   */
  prove(authMessage: string, proof: Uint8Array): Uint8Array | undefined {
    const { serverKey, storedKey } = this.#keys.verifier
    const signature = hmac(storedKey, authMessage)
    const clientKey = proof.map((byte, i) => byte ^ (signature[i] ?? 0))
    const isRight = timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)
    const answer = hmac(serverKey, authMessage)
    this.#isProven = isRight && this.#user !== undefined
    return this.#isProven ? answer : undefined
  }

  /** Whether it has proven the password that this user has now: a reload may have brought another. */
  isProofOf({ user, password }: UserConfig): boolean {
    return this.#isProven && this.#user?.user === user && this.#user.password === password
  }
}

/** What is kept of a password. The client makes the same of it [RFC 5802, 3]. */
export function makeScramVerifier(
  password: string,
  salt: Uint8Array,
  iterations: number,
): ScramVerifier {
  const salted = pbkdf2Sync(preparedOr(password), salt, iterations, KEY_BYTES, 'sha256')
  const clientKey = hmac(salted, 'Client Key')
  const storedKey = createHash('sha256').update(clientKey).digest()
  return { iterations, salt, storedKey, serverKey: hmac(salted, 'Server Key') }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
