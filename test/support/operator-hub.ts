import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { encodeGeneric } from '@nats-io/jwt'
import type { KeyPair } from '@nats-io/nkeys'
import { type Running, startRole } from '../../index.ts'
import { type HubConfig, loadConfig } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { inSeconds, JwtWorld, sign } from '../unit/account/jwt-world.ts'
import { RawLink } from './raw-link.ts'

export interface OperatorFile {
  readonly operator: string
  /** Account JWTs that the resolver has from the start, by account. */
  readonly preload?: Readonly<Record<string, string>>
  /** Of the system account; default: one that the world's operator signed. */
  readonly system?: string
  readonly resolver?: 'MEMORY' | 'full'
  /** More blocks. */
  readonly more?: string
}

/** A whole hub that an operator runs, with a port for leaves, and raw leaves on it. */
export class OperatorHub {
  readonly world = new JwtWorld()
  readonly directory = mkdtempSync(path.join(tmpdir(), 'petiole-operator-hub-'))
  readonly #leaves: RawLink[] = []
  #running: Running | undefined

  get running(): Running {
    if (this.#running === undefined) throw new Error('not started')
    return this.#running
  }

  async start(parts: OperatorFile): Promise<void> {
    this.#running = await startRole(await this.config(parts))
  }

  async reload(parts: OperatorFile): Promise<void> {
    await this.running.reload(await this.config(parts))
  }

  async stop(): Promise<void> {
    for (const leaf of this.#leaves) leaf.destroy()
    await this.#running?.destroy()
    rmSync(this.directory, { recursive: true, force: true })
  }

  /** A leaf that presents these fields of CONNECT. */
  async leaf(name: string, fields: object): Promise<RawLink> {
    const leaf = await RawLink.dial(this.running.ports.leafNodes?.port ?? 0)
    this.#leaves.push(leaf)
    await leaf.sees('\r\n')
    leaf.send(`CONNECT ${JSON.stringify({ name, cluster: name, headers: true, ...fields })}`)
    return leaf
  }

  /** One that presents a user's JWT and signs. */
  async leafOf(name: string, jwt: string, pair: KeyPair = this.world.user): Promise<RawLink> {
    const leaf = await RawLink.dial(this.running.ports.leafNodes?.port ?? 0)
    this.#leaves.push(leaf)
    await leaf.sees('\r\n')
    const nonce = /"nonce":"([^"]+)"/.exec(leaf.text)?.[1] ?? ''
    const fields = { name, cluster: name, headers: true, jwt, sig: sign(pair, nonce) }
    leaf.send(`CONNECT ${JSON.stringify(fields)}`)
    return leaf
  }

  /** What `nsc push` and its kin ask for. */
  async claims(verb: 'UPDATE' | 'DELETE', payload: string): Promise<void> {
    const answer = await this.running
      .client(this.world.system.getPublicKey())
      .request(`$SYS.REQ.CLAIMS.${verb}`, Buffer.from(payload), { deadlineMs: 5_000 })
    const { error } = JSON.parse(Buffer.from(answer.payload).toString()) as { error?: unknown }
    if (error !== undefined) throw new Error(JSON.stringify(error))
  }

  async deleteAccounts(accounts: readonly string[], signer = this.world.operator): Promise<void> {
    const expiry = { exp: inSeconds(60) }
    await this.claims(
      'DELETE',
      await encodeGeneric('delete', signer, 'generic', { accounts }, expiry),
    )
  }

  async config(parts: OperatorFile): Promise<HubConfig> {
    const { operator, preload = {}, resolver = 'MEMORY', more = '' } = parts
    const id = this.world.system.getPublicKey()
    const { world } = this
    const system =
      parts.system ?? (await world.accountJwt({}, { account: world.system, name: 'SYS' }))
    const entries = Object.entries({ ...preload, [id]: system })
    const full = `{ type: full, dir: "${this.directory}/jwt", allow_delete: true, timeout: "100ms" }`
    const text = `listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
server_name: hub
operator: ${operator}
system_account: ${id}
resolver: ${resolver === 'full' ? full : 'MEMORY'}
resolver_preload: { ${entries.map(([account, jwt]) => `${account}: "${jwt}"`).join('\n')} }
${more}`
    const file = path.join(this.directory, 'hub.conf')
    writeFileSync(file, text)
    return (await loadConfig(new SystemDisk(), file, 'hub')).config
  }
}
