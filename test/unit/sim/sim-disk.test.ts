import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { SimDisk } from '../../sim/index.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const CUTS = 300

/** Tests that ask which outcomes were seen take the same cuts each time: a rare one may be unlucky. */
const COVERAGE_SEED = 1

describe('simulated disk', () => {
  const newDisk = (isRecording = false): SimDisk =>
    new SimDisk({ random: new SeededRandom(seed), isRecording })

  it('reads back what was written, across chunks and gaps', async () => {
    const disk = newDisk()
    const file = await disk.create('/data/a')
    await file.writev([Buffer.from('one'), Buffer.from('two')], 2)
    assert.equal(await file.size(), 8)
    assert.deepEqual(await disk.readFile('/data/a'), new Uint8Array(Buffer.from('\0\0onetwo')))
    await file.truncate(4)
    await file.truncate(6)
    const target = new Uint8Array(10)
    assert.equal(await file.read(target, 2), 4)
    assert.equal(Buffer.from(target.subarray(0, 4)).toString(), 'on\0\0')
    assert.equal(await file.read(target, 6), 0)
    const reader = await disk.open('/data/a', 'read')
    await assert.rejects(reader.writev([target], 0), { code: 'EBADF' })
    await file.close()
    await assert.rejects(file.size(), { code: 'EBADF' })
  })

  it('fails as a file system does', async () => {
    const disk = newDisk()
    await assert.rejects(disk.open('/data/none', 'read'), { code: 'ENOENT' })
    await assert.rejects(disk.list('/none'), { code: 'ENOENT' })
    await disk.create('/data/a')
    await assert.rejects(disk.create('/data/a'), { code: 'EEXIST' })
    await disk.makeDirectory('/data/deep/er')
    await disk.makeDirectory('/data/deep/er')
    assert.deepEqual(await disk.list('/data'), ['a', 'deep'])
    await disk.remove('/data/none')
    const release = await disk.lock('/data/lock')
    await assert.rejects(disk.lock('/data/lock'), { code: 'PETIOLE_STORE_LOCKED' })
    await release()
    await disk.lock('/data/lock')
    await disk.kill().lock('/data/lock')
  })

  it('what was synced survives every power cut', async () => {
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = newDisk()
      const random = new SeededRandom(seed + cut)
      const file = await disk.create('/data/log')
      const synced = random.bytes(1 + random.below(3_000))
      await file.writev([synced], 0)
      await file.datasync()
      await disk.syncDirectory('/data')
      await file.writev([random.bytes(5_000)], synced.length)
      const survivor = disk.powerCut(random)
      const bytes = Buffer.from(survivor.bytesOf('/data/log'))
      assert.ok(bytes.subarray(0, synced.length).equals(synced), `seed=${seed + cut}`)
    }
  })

  it('cuts show every kind of loss: none, all, torn in order, sectors missing, size without data', async () => {
    const seen = new Set<string>()
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = newDisk()
      const file = await disk.create('/data/log')
      await file.datasync()
      await disk.syncDirectory('/data')
      await file.writev([Buffer.alloc(1_024, 'a')], 0)
      await file.writev([Buffer.alloc(1_024, 'b')], 1_024)
      const survivor = disk.powerCut(new SeededRandom(COVERAGE_SEED + cut))
      const text = Buffer.from(survivor.bytesOf('/data/log')).toString('latin1')
      const sectors = text.match(/.{1,512}/gs) ?? []
      assert.equal(text.length % 512, 0, `cut ${cut}`)
      seen.add(sectors.map((sector) => (sector[0] === '\0' ? '-' : sector[0])).join(''))
    }
    for (const state of ['', 'aabb', 'a', 'aa', 'aab', '--bb', 'a-b-', '----']) {
      assert.ok(seen.has(state), `${state} never seen in ${[...seen].join(' ')}`)
    }
  })

  it('a name is durable only after its directory was synced', async () => {
    const seen = new Set<string>()
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = newDisk()
      await disk.writeFileAtomic('/data/state', Buffer.from('old'))
      const file = await disk.create('/data/next')
      await file.writev([Buffer.from('new')], 0)
      await file.datasync()
      await disk.rename('/data/next', '/data/state')
      const survivor = disk.powerCut(new SeededRandom(COVERAGE_SEED + cut))
      const state = Buffer.from(survivor.bytesOf('/data/state')).toString()
      const names = await survivor.list('/data')
      assert.ok(state === 'old' || (state === 'new' && !names.includes('next')), `cut ${cut}`)
      seen.add(`${state} ${names.join(' ')}`)
    }
    for (const outcome of ['old state', 'old next state', 'new state']) {
      assert.ok(seen.has(outcome), `${outcome} never seen in ${[...seen].join(', ')}`)
    }
  })

  it('a directory that was made survives, with its parents', async () => {
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = newDisk()
      await disk.makeDirectory('/data/a/b')
      const survivor = disk.powerCut(new SeededRandom(COVERAGE_SEED + cut))
      assert.deepEqual(await survivor.list('/data/a'), ['b'], `cut ${cut}`)
    }
  })

  it('writeFileAtomic leaves the old or the new content, wherever the power is cut', async () => {
    const disk = newDisk(true)
    await disk.writeFileAtomic('/data/state', Buffer.alloc(2_000, '1'))
    const first = disk.recorded
    await disk.writeFileAtomic('/data/state', Buffer.alloc(3_000, '2'))
    const last = disk.recorded
    for (let cut = 0; cut < CUTS; cut++) {
      const random = new SeededRandom(seed + cut)
      const at = first + random.below(last - first + 1)
      const text = Buffer.from(disk.powerCutAt(at, random).bytesOf('/data/state')).toString()
      const isOld = text === '1'.repeat(2_000)
      assert.ok(text === '2'.repeat(3_000) || (isOld && at < last), `at ${at} seed=${seed + cut}`)
    }
  })

  it('a synced write survives any cut, and brings nothing else to disk', async () => {
    const others = new Set<string>()
    for (let cut = 0; cut < CUTS; cut++) {
      const disk = newDisk()
      const file = await disk.create('/data/log')
      await disk.syncDirectory('/data')
      const synced = (await disk.openSynced('/data/log'))!
      await file.writev([Buffer.alloc(2_048, 'a')], 0)
      await synced.writev([Buffer.alloc(300, 'b'), Buffer.alloc(300, 'b')], 700)
      const survivor = disk.powerCut(new SeededRandom(COVERAGE_SEED + cut))
      const text = Buffer.from(survivor.bytesOf('/data/log')).toString()
      assert.equal(text.slice(700, 1_300), 'b'.repeat(600), `cut ${cut}`)
      others.add(text.slice(0, 700))
      if (text.length > 1_300) others.add('longer')
    }
    for (const outcome of ['a'.repeat(700), '\0'.repeat(700), 'longer']) {
      assert.ok(others.has(outcome), `${outcome} never seen`)
    }
  })

  it('a synced write that fails in its sync may be lost', async () => {
    const disk = newDisk()
    await disk.create('/data/log')
    const synced = (await disk.openSynced('/data/log'))!
    disk.faults.syncs = 1
    await assert.rejects(synced.writev([Buffer.from('lost')], 0), { code: 'EIO' })
    await synced.writev([Buffer.from('kept')], 4)
    assert.equal(Buffer.from(await disk.readFile('/data/log')).toString(), 'lostkept')
  })

  it('a failed sync loses the pages, and a later one does not bring them back', async () => {
    let lost = 0
    for (let cut = 0; cut < 50; cut++) {
      const disk = newDisk()
      const file = await disk.create('/data/log')
      await disk.syncDirectory('/data')
      await file.writev([Buffer.alloc(512, 'a')], 0)
      disk.faults.syncs = 1
      await assert.rejects(file.datasync(), { code: 'EIO' })
      await file.datasync()
      const survivor = disk.powerCut(new SeededRandom(seed + cut))
      if (!Buffer.from(survivor.bytesOf('/data/log')).equals(Buffer.alloc(512, 'a'))) lost++
    }
    assert.ok(lost > 0, `seed=${seed}`)
  })

  it('a full disk takes what fits, refuses the rest, and works again when there is room', async () => {
    const disk = newDisk()
    disk.quotaBytes = 1_000
    const file = await disk.create('/data/log')
    await file.writev([new Uint8Array(900)], 0)
    assert.equal(await disk.freeBytes('/data'), 100)
    await assert.rejects(file.writev([new Uint8Array(200)], 900), { code: 'ENOSPC' })
    assert.equal(await file.size(), 1_000)
    await file.writev([new Uint8Array(1_000)], 0)
    disk.quotaBytes = 2_000
    await file.writev([new Uint8Array(200)], 1_000)
    assert.equal(disk.usedBytes(), 1_200)
  })

  it('reads and writes fail on demand', async () => {
    const disk = newDisk()
    const file = await disk.create('/data/log')
    disk.faults.writes = 1
    await assert.rejects(file.writev([new Uint8Array(100)], 0), { code: 'EIO' })
    await file.writev([new Uint8Array(100)], 0)
    disk.faults.reads = 1
    await assert.rejects(disk.readFile('/data/log'), { code: 'EIO' })
    assert.equal((await disk.readFile('/data/log')).length, 100)
    disk.corrupt('/data/log', 7, 0x80)
    assert.equal((await disk.readFile('/data/log'))[7], 0x80)
  })
})
