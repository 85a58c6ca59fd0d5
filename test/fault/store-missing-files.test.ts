import assert from 'node:assert/strict'
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { silentLog } from '../../shared/log/index.ts'
import { SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import { checkStore, repairStore, type StoreEncryption } from '../../shared/store/index.ts'
import { appendDurably, bytes, noLimits, StoreFolder } from '../support/opened-store.ts'

describe('store whose files are gone or something else', () => {
  let folder: StoreFolder

  beforeEach(async () => {
    folder = new StoreFolder()
    const store = await folder.open({ segmentBytes: 1024 })
    const stream = store.createStream('a', bytes('config'), noLimits)
    for (let i = 0; i < 40; i++) await appendDurably(stream, 's', `payload ${i}`)
    await store.drain()
  })

  afterEach(() => folder.remove())

  const check = (encryption: StoreEncryption = {}) => {
    const parts = { disk: new SystemDisk(), clock: new SystemClock(), directory: folder.path }
    return checkStore({ ...parts, encryption })
  }

  it('is told when the journal is gone, by check and by a start', async () => {
    assert.deepEqual((await check()).problems, [])
    rmSync(folder.journal, { recursive: true })
    const { ok, problems } = await check()
    assert.equal(ok, false)
    assert.match(problems[0]?.problem ?? '', /^is gone with all that was in it/)
    const errors: string[] = []
    const log = { ...silentLog, error: (_: unknown, text: string) => void errors.push(text) }
    await (await folder.open({ log })).drain()
    assert.match(errors[0] ?? '', /^journal is gone with all that was in it/)
  })

  it('names a directory that stands in the place of a segment', async () => {
    const file = join(folder.journal, '0000000001.log')
    rmSync(file)
    mkdirSync(file)
    const told = { code: 'PETIOLE_STORE_FOREIGN', message: /0000000001\.log is a directory/ }
    await assert.rejects(check(), told)
    await assert.rejects(folder.open(), told)
  })

  for (const name of ['9999999999.log', '2147483649.log']) {
    it(`names ${name}, to which no journal comes`, async () => {
      writeFileSync(join(folder.journal, name), '')
      const told = { code: 'PETIOLE_STORE_FOREIGN', message: new RegExp(name) }
      await assert.rejects(check(), told)
      await assert.rejects(folder.open(), told)
    })
  }

  it('tells what an encrypted segment lost that was cut, and without its key that it was', async () => {
    const encryption = { key: bytes('k'.repeat(32)) }
    const store = await folder.open({ segmentBytes: 1024, encryption })
    const stream = store.createStream('b', bytes('config'), noLimits)
    for (let i = 0; i < 40; i++) await appendDurably(stream, 's', `payload ${i}`)
    await store.drain()
    // Makes the indexes that the server had no time for.
    const parts = { disk: new SystemDisk(), clock: new SystemClock(), directory: folder.path }
    const { segments } = (await repairStore({ ...parts, encryption })).after
    const whole = segments.filter(({ index }) => index === 'fits')
    const { file, bytes: size } = whole.at(-1)!
    truncateSync(join(folder.path, file), size >> 1)
    const seeing = await check(encryption)
    const lost = seeing.streams.find(({ name }) => name === 'b')?.lost ?? []
    assert.equal(lost.length, 1)
    const isTold = ({ problem }: { problem: string }) => /bytes are gone/.test(problem)
    for (const { problems } of [seeing, await check()])
      assert.equal(problems.filter(isTold).length, 1)
    const again = await folder.open({ encryption })
    const [first, last] = lost[0]!
    const { messages, lastSeq } = again.streams.get('b')!.state
    assert.deepEqual([messages, lastSeq], [40 - (last - first + 1), 40])
    assert.equal(again.stats.damagedRecords >= last - first + 1, true)
  })
})
