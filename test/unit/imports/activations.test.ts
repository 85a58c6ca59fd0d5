import assert from 'node:assert/strict'
import { encodeActivation } from '@nats-io/jwt'
import { createAccounts } from '../../../shared/account/index.ts'
import { AccountSpace } from '../../../shared/broker/index.ts'
import { Imports } from '../../../shared/imports/index.ts'
import { silentLog } from '../../../shared/log/index.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { activationOf } from '../../../shared/server/server-accounts.ts'
import { ManualClock } from '../../support/manual-clock.ts'
import { RecordingPeer } from '../../support/recording-peer.ts'
import { createAccount, inSeconds, JwtWorld, operated } from '../account/jwt-world.ts'
import { dependencies } from '../account/setup.ts'

/** An account that exports by token, and one that imports with one. */
class ActivatedWorld {
  readonly jwts = new JwtWorld()
  readonly clock = new ManualClock()
  readonly importer = createAccount()
  readonly signer = createAccount()
  readonly listener = new RecordingPeer('local')

  get exports() {
    return [{ name: 'p', subject: 'priv.>', type: 'stream', token_req: true }]
  }

  exporterJwt(parts: Record<string, unknown> = {}): Promise<string> {
    const signing_keys = [this.signer.getPublicKey()]
    return this.jwts.accountJwt({ signing_keys, exports: this.exports, ...parts } as never)
  }

  async importerJwt(options: Record<string, unknown> = {}): Promise<string> {
    const claims = { subject: 'priv.>' } as never
    const { account } = this.jwts
    const token = await encodeActivation('t', this.importer, account, 'stream', claims, options)
    const wanted = { name: 'p', subject: 'priv.>', account: this.jwts.id, token, type: 'stream' }
    const body = { imports: [wanted] } as never
    return this.jwts.accountJwt(body, { account: this.importer, name: 'blue' })
  }

  async open(importerJwt: string) {
    this.clock.wallBeginMs = Date.now()
    const random = new SeededRandom(1)
    const config = await this.jwts.config(await this.exporterJwt())
    const id = this.importer.getPublicKey()
    const resolver_preload = { ...config.resolver_preload, [id]: importerJwt }
    const operator = { ...config, resolver_preload }
    const accounts = await createAccounts(operated(operator), dependencies({ clock: this.clock }))
    const spaces = new Map<string, AccountSpace>()
    const space = (name: string): AccountSpace => {
      const known = spaces.get(name) ?? new AccountSpace(random, name)
      spaces.set(name, known)
      return known
    }
    let ids = 0
    new Imports({
      clock: this.clock,
      random,
      log: silentLog,
      book: accounts.book,
      space,
      nextPeerId: () => ++ids,
      place: { server: 'test', cluster: '' },
      describe: () => undefined,
      activatedUntil: activationOf(accounts, { clock: this.clock }),
    })
    await accounts.book.fetch(this.jwts.id)
    await accounts.book.fetch(id)
    space(id).subscribe(this.listener, { subject: 'priv.x' })
    const update = async (jwt: string): Promise<void> => {
      const answer = await accounts.claims?.update(jwt)
      assert.ok(answer !== undefined && 'data' in answer && answer.data.code === 200)
    }
    /** How many get what the exporter publishes. */
    const publish = (): number =>
      space(this.jwts.id).publish(new RecordingPeer('local'), {
        subject: Buffer.from('priv.x'),
        reply: new Uint8Array(0),
        headers: new Uint8Array(0),
        payload: Buffer.from('secret'),
      })
    return { update, publish }
  }
}

describe('an import by an activation token', () => {
  it('ends with a revocation, and comes back with a newer token', async () => {
    const world = new ActivatedWorld()
    const { update, publish } = await world.open(await world.importerJwt())
    assert.equal(publish(), 1)
    const revocations = { [world.importer.getPublicKey()]: inSeconds(-60) }
    const exports = [{ ...world.exports[0], revocations }]
    await update(await world.exporterJwt({ exports }))
    assert.equal(publish(), 1)
    const all = [{ ...world.exports[0], revocations: { '*': inSeconds(5) } }]
    await update(await world.exporterJwt({ exports: all }))
    assert.equal(publish(), 0)
    await update(await world.exporterJwt())
    assert.equal(publish(), 1)
    assert.equal(world.listener.got.length, 3)
  })

  it('ends with the token, at that moment, and comes back with another', async () => {
    const world = new ActivatedWorld()
    const { update, publish } = await world.open(await world.importerJwt({ exp: inSeconds(60) }))
    assert.equal(publish(), 1)
    world.clock.advance(58_000)
    assert.equal(publish(), 1)
    world.clock.advance(2_001)
    assert.equal(publish(), 0)
    await update(await world.importerJwt({ exp: inSeconds(300) }))
    assert.equal(publish(), 1)
    world.clock.advance(300_000)
    assert.equal(publish(), 0)
    assert.equal(world.clock.timers, 0)
  })

  it('ends with the key that signed the token', async () => {
    const world = new ActivatedWorld()
    const { update, publish } = await world.open(await world.importerJwt({ signer: world.signer }))
    assert.equal(publish(), 1)
    await update(await world.exporterJwt({ signing_keys: [] }))
    assert.equal(publish(), 0)
    await update(await world.exporterJwt())
    assert.equal(publish(), 1)
  })
})
