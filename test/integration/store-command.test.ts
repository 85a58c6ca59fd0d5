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
})
