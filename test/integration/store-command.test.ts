import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import * as path from 'node:path'
import { appendDurably, bytes, noLimits, StoreFolder } from '../support/opened-store.ts'

const CLI = path.resolve(import.meta.dirname, '../../dist/cli.js')

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

function petiole(...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args], (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err })
    })
  })
}

describe('petiole store', function () {
  this.timeout(60_000)
  let folder: StoreFolder

  beforeEach(async () => {
    folder = new StoreFolder()
    const store = await folder.open()
    const stream = store.createStream('$G/ORDERS', bytes('{}'), noLimits)
    for (const payload of ['one', 'two', 'three']) await appendDurably(stream, 'orders', payload)
    await store.drain()
  })

  afterEach(() => folder.remove())

  it('checks, repairs and exports, with exit codes', async () => {
    const well = await petiole('store', 'check', folder.path)
    assert.equal(well.code, 0, well.err)
    assert.match(well.out, /stream \$G\/ORDERS: 3 messages/)
    const file = path.join(folder.journal, '0000000001.log')
    const segment = readFileSync(file)
    segment.write('x', segment.indexOf('two'))
    writeFileSync(file, segment)
    const ill = await petiole('store', 'check', '--json', folder.path)
    assert.equal(ill.code, 1)
    const report = JSON.parse(ill.out)
    assert.deepEqual(report.streams[0].lost, [[2, 2]])
    assert.match(report.segments[0].damaged[0].seems, /^message of stream 1, seq 2, "orders"$/)
    const repaired = await petiole('store', 'repair', folder.path)
    assert.equal(repaired.code, 0, repaired.out)
    assert.match(repaired.out, /copied to .*quarantine/)
    assert.equal((await petiole('store', 'check', folder.path)).code, 0)
    const output = path.join(folder.path, 'orders.jsonl')
    const exported = await petiole('store', 'export', folder.path, 'ORDERS', '-o', output)
    assert.equal(exported.code, 1)
    assert.match(exported.err, /2 messages of 1 streams, 1 lost/)
    const lines = readFileSync(output, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    assert.deepEqual(
      lines.map(({ seq, payload }) => [seq, Buffer.from(payload, 'base64').toString()]),
      [
        [1, 'one'],
        [3, 'three'],
      ],
    )
  })

  it('says what is wrong with a directory that it cannot take', async () => {
    const nothing = await petiole('store', 'check', path.join(folder.path, 'nothing'))
    assert.equal(nothing.code, 1)
    assert.match(nothing.err, /is not a store directory/)
    await folder.open()
    const busy = await petiole('store', 'repair', folder.path)
    assert.equal(busy.code, 1)
    assert.match(busy.err, /is in use .*stop that server first/)
  })
  it('says why it cannot export to a file, and leaves what is there', async () => {
    const there = path.join(folder.path, 'there.jsonl')
    writeFileSync(there, 'mine')
    const taken = await petiole('store', 'export', folder.path, '-o', there)
    assert.deepEqual(
      [taken.code, taken.err],
      [
        1,
        `petiole: ${there} exists already and is not overwritten: remove it, or name another file\n`,
      ],
    )
    assert.equal(readFileSync(there, 'utf8'), 'mine')
    const lost = path.join(folder.path, 'nowhere', 'out.jsonl')
    const nowhere = await petiole('store', 'export', folder.path, '-o', lost)
    assert.deepEqual(
      [nowhere.code, nowhere.err],
      [
        1,
        `petiole: ${lost} cannot be made: there is no folder ${path.dirname(lost)}: make it first\n`,
      ],
    )
    const output = path.join(folder.path, 'out.jsonl')
    const failed = await petiole('store', 'export', folder.path, 'NONE', '-o', output)
    assert.match(failed.err, /has no stream NONE/)
    const again = await petiole('store', 'export', folder.path, 'ORDERS', '-o', output)
    assert.equal(again.code, 0, again.err)
  })

  it('advises of an encrypted store what the command takes', async () => {
    const secret = new StoreFolder()
    try {
      const store = await secret.open({
        encryption: { key: bytes('a key that is long enough 123456') },
      })
      const stream = store.createStream('$G/ORDERS', bytes('{}'), noLimits)
      await appendDurably(stream, 'orders', 'one')
      await store.drain()
      const locked = await petiole('store', 'export', secret.path)
      assert.equal(locked.code, 1)
      assert.match(locked.err, /its key is missing .* give the file .* with --key-file/)
      assert.doesNotMatch(locked.err, /jetstream\.key/)
      const key = path.join(secret.path, 'key')
      writeFileSync(key, 'a key that is long enough 123456', { mode: 0o600 })
      const open = await petiole('store', 'export', secret.path, '--key-file', key)
      assert.equal(open.code, 0, open.err)
    } finally {
      await secret.remove()
    }
  })
})
