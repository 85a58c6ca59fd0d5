import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** The client's end of SCRAM-SHA-256, written from RFC 5802 by itself; the test may damage what it says. */
export class ScramClient {
  readonly first: Buffer
  readonly #header: string
  readonly #bare: string
  readonly #password: string
  /** The only answer that proves the server. */
  serverFinal = ''

  constructor(user: string, password: string, nonce = 'rOprNGfwEbeRWgbNEkqO', header = 'n,,') {
    this.#password = password
    this.#header = header
    this.#bare = `n=${user},r=${nonce}`
    this.first = Buffer.from(header + this.#bare)
  }

  final(serverFirst: Uint8Array): Buffer {
    const text = Buffer.from(serverFirst).toString()
    const [, nonces = '', salt = '', iterations = ''] = /^r=(.+),s=(.+),i=(\d+)$/.exec(text) ?? []
    const salted = pbkdf2Sync(
      this.#password.normalize('NFKC'),
      Buffer.from(salt, 'base64'),
      Number(iterations),
      32,
      'sha256',
    )
    const bare = `c=${Buffer.from(this.#header).toString('base64')},r=${nonces}`
    const message = `${this.#bare},${text},${bare}`
    const clientKey = hmac(salted, 'Client Key')
    const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]!))
    this.serverFinal = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
    return Buffer.from(`${bare},p=${proof.toString('base64')}`)
  }
}

/** A password of the configuration that says no password. */
export function verifierText(password: string, salt: Uint8Array, iterations = 4_096): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64')
  const serverKey = hmac(salted, 'Server Key').toString('base64')
  const text = Buffer.from(salt).toString('base64')
  return `SCRAM-SHA-256$${iterations}:${text}$${storedKey}:${serverKey}`
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
