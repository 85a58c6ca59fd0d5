import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { SeededRandom, SystemClock, SystemDisk } from '../../shared/runtime/index.ts'
import { repairStore } from '../../shared/store/index.ts'
import { freePorts } from '../support/free-ports.ts'
import { connect } from '../support/patience.ts'
import { PetioleProcess } from '../support/petiole-process.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const MESSAGES = 20
const BYTES_PER_FILE = 1
/** In half of the draws it is killed. */
const IS_KILLED = SEED % 2 === 1
/** More than one segment of a leaf, so that there is an index. */
const PAYLOAD = 'x'.repeat(900_000)

interface Health {
  readonly status: string
  readonly damaged_records?: number
  readonly mended_files?: number
}

/**
 * The whole directory of a leaf, with one byte of any file changed: the leaf starts, has all but
 * one record, says in its log and its reports what it found, and goes on. Which byte costs what, byte by byte, is
 * what the tests of the store ask [store-damage.test.ts, store-upkeep.test.ts]; this asks the server.
 */
describe('fault: a byte of any file of a server is damaged', function () {
  this.timeout(180_000)
  let directory: string
  let whole: string
  let port = 0
  let httpPort = 0
  const random = new SeededRandom(SEED)

  before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), 'petiole-any-byte-'))
    ;[port = 0, httpPort = 0] = await freePorts(2)
    whole = path.join(directory, 'whole')
    const leaf = await started(whole)
    try {
      const connection = await client()
      const jsm = await jetstreamManager(connection)
      await jsm.streams.add({ name: 'S', subjects: ['s.>'] })
      await jsm.consumers.add('S', { durable_name: 'c' })
      for (let i = 1; i <= MESSAGES; i++) await connection.request(`s.${i}`, `${i} ${PAYLOAD}`)
      await jsm.streams.deleteMessage('S', 7, false)
      // An index is made when there is time for it.
      const deadlineMs = Date.now() + 30_000
      while (!filesIn(whole).some((name) => name.endsWith('.idx'))) {
        assert.ok(Date.now() < deadlineMs, 'no index is made')
        await get('/healthz')
      }
      await connection.close()
    } finally {
      await (IS_KILLED ? leaf.kill() : leaf.stop())
    }
  })

  after(() => rmSync(directory, { recursive: true, force: true }))

  it(`starts, tells, and has all but one record (SEED=${SEED})`, async () => {
    const files = filesIn(whole)
    for (const name of ['identity.nk', 'store.json', 'lock', 'reserve']) {
      assert.ok(files.includes(name), `${name} is one of ${files}`)
    }
    assert.ok(files.filter((name) => name.endsWith('.idx')).length > 0, `${files}`)
    let told = 0
    for (const file of files) {
      for (let i = 0; i < BYTES_PER_FILE; i++) told += await tryOne(file)
    }
    assert.ok(told >= 3, `SEED=${SEED}: told of ${told}`)
  })

  /** Returns whether there was something to tell. */
  async function tryOne(file: string): Promise<number> {
    const copy = path.join(directory, 'copy')
    cpSync(whole, copy, { recursive: true })
    const bytes = readFileSync(path.join(copy, file))
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
    writeFileSync(path.join(copy, file), bytes)
    const what = `SEED=${SEED} ${file} byte ${at} of ${bytes.length}`
    const leaf = await started(copy)
    try {
      const connection = await client()
      const left = await sequencesLeft(connection)
      assert.ok(left.length >= MESSAGES - 2, `${what}: ${left.length} messages are left`)
      assert.ok(!left.includes(7), `${what}: a removed message came back`)
      const jsm = await jetstreamManager(connection)
      assert.equal((await jsm.consumers.info('S', 'c')).name, 'c', what)
      const { seq } = (await connection.request('s.next', 'next')).json<{ seq: number }>()
      assert.equal(seq, MESSAGES + 1, what)
      await connection.close()
      return await assertTold(file, left.length, leaf, what)
    } finally {
      await leaf.stop()
      await assertMends(copy, what)
      rmSync(copy, { recursive: true, force: true })
    }
  }

  async function assertTold(
    file: string,
    left: number,
    leaf: PetioleProcess,
    what: string,
  ): Promise<number> {
    const health = await get<Health>('/healthz')
    assert.equal(health.status, 'ok', what)
    const { damaged_records = 0, mended_files = 0 } = health
    const { petiole } = await get<{ petiole: { store: Health } }>('/varz')
    assert.equal(petiole.store.damaged_records, damaged_records, what)
    assert.equal(petiole.store.mended_files, mended_files, what)
    if (left < MESSAGES - 1) assert.equal(damaged_records, 1, `${what}: a message is lost`)
    const lines = leaf.log.filter((line) => /"level":"error"/.test(line) && /damaged/.test(line))
    if (damaged_records + mended_files > 0)
      assert.ok(lines.length > 0, `${what}: nothing was logged`)
    // Padding, the lock and the reserve mean nothing: there nothing is lost, and nothing told.
    const isMeaningful = !/^(lock|reserve)$/.test(file)
    return isMeaningful && damaged_records + mended_files > 0 ? 1 : 0
  }

  /** What the server has not mended by itself, the command does: then all that is left holds. */
  async function assertMends(copy: string, what: string): Promise<void> {
    const parts = { disk: new SystemDisk(), clock: new SystemClock(), directory: copy }
    const { after: report } = await repairStore(parts)
    const lost = report.streams.flatMap((stream) => stream.lost)
    const sum = lost.reduce((total, [first, last]) => total + last - first + 1, 0)
    assert.ok(sum <= 1, `${what}: ${JSON.stringify(lost)}`)
    const other = report.problems.filter(({ problem }) => !/damaged|lost/.test(problem))
    assert.deepEqual(other, [], what)
  }

  async function started(storeDirectory: string): Promise<PetioleProcess> {
    const file = path.join(directory, 'leaf.conf')
    writeFileSync(
      file,
      `listen: "127.0.0.1:${port}"\nhttp: "127.0.0.1:${httpPort}"\njetstream { store_dir: "${storeDirectory}" }\n`,
    )
    const leaf = new PetioleProcess('leaf', ['leaf', '-c', file])
    await leaf.start()
    return leaf
  }

  function client(): Promise<NatsConnection> {
    return connect({ servers: `127.0.0.1:${port}`, reconnect: false })
  }

  async function get<Answer>(target: string): Promise<Answer> {
    return (await (await fetch(`http://127.0.0.1:${httpPort}${target}`)).json()) as Answer
  }
})

async function sequencesLeft(connection: NatsConnection): Promise<number[]> {
  const left: number[] = []
  for (let seq = 1; seq <= MESSAGES; seq++) {
    const asked = JSON.stringify({ seq })
    const answer = await connection.request('$JS.API.STREAM.MSG.GET.S', asked, { timeout: 20_000 })
    if (answer.json<{ error?: object }>().error === undefined) left.push(seq)
  }
  return left
}

/** Relative to the directory, the journal's too. */
function filesIn(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)))
    .sort()
}
