import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { fromPublic, fromSeed } from '@nats-io/nkeys'
import { ServerIdentity, verifySignature } from '../../../shared/link/index.ts'
import { SeededRandom, SystemDisk, SystemRandom } from '../../../shared/runtime/index.ts'
import { SimDisk } from '../../sim/index.ts'

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

  describe('of which a byte is damaged', () => {
    const files = ['/data/identity.nk', '/data/identity.nk.copy'] as const

    it('stays the same, in both files, whichever bit it was, and says what it mended', async () => {
      for (const [file, name] of files.map((path) => [path, path.slice(6)] as const)) {
        const sim = new SimDisk({ random: new SeededRandom(1) })
        const { id } = await ServerIdentity.load(sim, random, '/data')
        const whole = Buffer.from(sim.bytesOf(file))
        for (let at = 0; at < whole.length * 8; at++) {
          sim.corrupt(file, at >> 3, 1 << (at & 7))
          const mended: string[] = []
          const again = await ServerIdentity.load(sim, random, '/data', (it) => {
            mended.push(`${it.file} ${it.was}`)
          })
          assert.equal(again.id, id, `bit ${at} of ${file}`)
          // The end of the line is no part of the seed: whether it is mended is all the same.
          if (at >> 3 < whole.length - 1) assert.deepEqual(mended, [`${name} damaged`], `bit ${at}`)
          assert.equal(
            Buffer.from(sim.bytesOf(file)).toString().trim(),
            whole.toString().trim(),
            `bit ${at} of ${file}`,
          )
          await sim.writeFileAtomic(file, whole)
        }
      }
    })

    it('is taken from the other file when one is gone, and from the first when they differ', async () => {
      const sim = new SimDisk({ random: new SeededRandom(1) })
      const { id } = await ServerIdentity.load(sim, random, '/data')
      const first = Buffer.from(sim.bytesOf(files[0]))
      for (const file of files) {
        await sim.remove(file)
        assert.equal((await ServerIdentity.load(sim, random, '/data')).id, id)
        assert.deepEqual(Buffer.from(sim.bytesOf(file)), first)
      }
      const other = new SimDisk({ random: new SeededRandom(2) })
      const stranger = await ServerIdentity.load(other, random, '/data')
      await sim.writeFileAtomic(files[0], other.bytesOf(files[0]))
      assert.equal((await ServerIdentity.load(sim, random, '/data')).id, stranger.id)
      assert.deepEqual(sim.bytesOf(files[1]), other.bytesOf(files[1]))
    })

    it('starts on a disk that has no room to mend it, and mends it later', async () => {
      const sim = new SimDisk({ random: new SeededRandom(1) })
      const { id } = await ServerIdentity.load(sim, random, '/data')
      sim.corrupt(files[0], 10, 4)
      sim.quotaBytes = sim.usedBytes()
      const codes: unknown[] = []
      const load = () =>
        ServerIdentity.load(sim, random, '/data', ({ error }) => {
          codes.push(error === undefined ? 'mended' : (error as { code?: string }).code)
        })
      assert.equal((await load()).id, id)
      sim.quotaBytes = Number.POSITIVE_INFINITY
      assert.equal((await load()).id, id)
      assert.deepEqual(codes, ['ENOSPC', 'mended'])
    })

    it('is refused when both are damaged, with what to do', async () => {
      const sim = new SimDisk({ random: new SeededRandom(1) })
      await ServerIdentity.load(sim, random, '/data')
      for (const file of files) sim.corrupt(file, 20, 1)
      await assert.rejects(ServerIdentity.load(sim, random, '/data'), {
        code: 'PETIOLE_IDENTITY_INVALID',
        message: /identity\.nk.*identity\.nk\.copy.*backup, or remove both/,
      })
    })
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
