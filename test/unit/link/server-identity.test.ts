import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { fromPublic, fromSeed } from '@nats-io/nkeys'
import { ServerIdentity, verifySignature } from '../../../shared/link/index.ts'
import { SeededRandom, SystemDisk, SystemRandom } from '../../../shared/runtime/index.ts'

describe('server identity', () => {
  let directory: string
  const disk = new SystemDisk()
  const random = new SystemRandom()
  const nonce = Buffer.from('a nonce of the other side')

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-identity-'))
  })

  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it('is made once and stays the same', async () => {
    const store = path.join(directory, 'new', 'store')
    const first = await ServerIdentity.load(disk, random, store)
    const second = await ServerIdentity.load(disk, random, store)
    assert.equal(second.id, first.id)
    assert.match(first.id, /^N[A-Z2-7]{55}$/)
  })

  it('keeps its seed from all but the owner', async () => {
    await ServerIdentity.load(disk, random, directory)
    assert.equal(statSync(path.join(directory, 'identity.nk')).mode & 0o777, 0o600)
  })

  it('is an nkey like any other', async () => {
    const identity = await ServerIdentity.load(disk, random, directory)
    const seed = readFileSync(path.join(directory, 'identity.nk'), 'latin1').trim()
    const pair = fromSeed(Buffer.from(seed))
    assert.equal(pair.getPublicKey(), identity.id)
    const signature = Buffer.from(identity.sign(nonce), 'base64url')
    assert.ok(fromPublic(identity.id).verify(nonce, signature))
    assert.ok(verifySignature(identity.id, nonce, Buffer.from(pair.sign(nonce)).toString('base64')))
  })

  it('is the same for the same chance, so a simulation repeats', () => {
    const ids = [1, 1, 2].map((seed) => ServerIdentity.create(new SeededRandom(seed)).id)
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[0], ids[2])
  })

  it('verifies nothing but its own signature of the very bytes', () => {
    const identity = ServerIdentity.create(random)
    const other = ServerIdentity.create(random)
    const signature = identity.sign(nonce)
    assert.ok(verifySignature(identity.id, nonce, signature))
    assert.ok(!verifySignature(other.id, nonce, signature))
    assert.ok(!verifySignature(identity.id, Buffer.from('other bytes'), signature))
    for (const id of ['', 'N', `U${identity.id.slice(1)}`, identity.id.slice(0, -1), 'ÄÖ']) {
      assert.ok(!verifySignature(id, nonce, signature), id)
    }
    for (const bad of ['', 'x', signature.slice(4)]) {
      assert.ok(!verifySignature(identity.id, nonce, bad), bad)
    }
  })

  for (const content of ['', 'garbage', 'SUAAA', `SN${'A'.repeat(56)}`]) {
    it(`refuses a damaged file (${JSON.stringify(content.slice(0, 8))}) and leaves it alone`, async () => {
      const file = path.join(directory, 'identity.nk')
      writeFileSync(file, content)
      await assert.rejects(ServerIdentity.load(disk, random, directory), (error: Error) => {
        assert.equal((error as { code?: string }).code, 'PETIOLE_IDENTITY_INVALID')
        assert.ok(error.message.includes(file) && error.message.includes('remove'))
        assert.ok(content.length < 3 || !error.message.includes(content), 'tells no secret')
        return true
      })
      assert.equal(readFileSync(file, 'latin1'), content)
    })
  }
})
