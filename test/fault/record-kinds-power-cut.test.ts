/**
 * The power goes, or the process, with every kind of record in flight at once that the journal knows: each has
 * a scene [cut-ledgers.ts, cut-scenes.ts], and which kinds were in flight is read from the journal itself.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { SeededRandom } from '../../shared/runtime/index.ts'
import { Chunk, RecordCursor, RecordFlag, RecordType } from '../../shared/store/record.ts'
import { headerBytes } from '../../shared/store/segment-header.ts'
import { SimDisk } from '../sim/index.ts'
import {
  CutLedger,
  type CutScene,
  drawBatch,
  drawCount,
  drawIdentified,
  drawKeyValue,
  drawRollUp,
} from '../support/cut-ledgers.ts'
import { CutMachine } from '../support/cut-machine.ts'
import {
  ComingScene,
  DueScene,
  FastBatchScene,
  SourceScene,
  WorkScene,
} from '../support/cut-scenes.ts'
import { settle } from '../support/store-clock.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const RUNS = Number(process.env['RUNS'] ?? 12)
const ROUNDS = 6
const OPERATIONS = 80

function scenesOf(random: SeededRandom): Record<string, CutScene> {
  const ledger = (config: { name: string }, draw: typeof drawBatch): CutScene =>
    new CutLedger(config, draw, random.fork())
  const R = { name: 'R', subjects: ['r.>'], allow_rollup_hdrs: true }
  const kv = { max_msgs_per_subject: 2, allow_rollup_hdrs: true, discard: 'new' }
  const K = { name: 'KV_b', subjects: ['$KV.b.>'], ...kv }
  const B = { name: 'B', subjects: ['b.>'], allow_atomic: true }
  const C = { name: 'C', subjects: ['c.>'], allow_msg_counter: true }
  const N = { name: 'N', subjects: ['n.>'], compression: 's2' }
  return {
    'roll-ups': ledger(R, drawRollUp),
    'key-value operations': ledger(K, drawKeyValue),
    'atomic batches': ledger(B, drawBatch),
    counters: ledger(C, drawCount),
    'message ids': ledger(N, drawIdentified),
    'sources and mirrors': new SourceScene(random.fork()),
    'times, markers and schedules': new DueScene(random.fork()),
    'fast batches': new FastBatchScene(random.fork()),
    'work queues': new WorkScene('workqueue', random.fork()),
    interest: new WorkScene('interest', random.fork()),
    'streams that come and go': new ComingScene(random.fork()),
  }
}

/** Kinds that are tried elsewhere, and where. */
const ELSEWHERE: Record<string, string> = {
  'flag clockWrong': 'of a time, not of what is stored: unit/store/retention',
}

const FIRST = '/data/journal/0000000001.log'
/** Much less than a record has. */
const CUT_STEP = 8
const HEADER_BYTES = headerBytes({ encryption: undefined })

/** What the journal is made of: types of records, their flags, and what keys of states begin with. */
async function noteKinds({ disk }: CutMachine, kinds: Set<string>): Promise<void> {
  for (const file of await disk.list('/data/journal')) {
    if (!file.endsWith('.log')) continue
    const chunk = new Chunk(Buffer.from(disk.bytesOf(`/data/journal/${file}`)))
    const { length } = chunk.bytes
    const cursor = new RecordCursor(chunk, HEADER_BYTES)
    while (cursor.at + 4 < length && cursor.length > 0 && cursor.at + cursor.length <= length) {
      for (const [name, type] of Object.entries(RecordType)) {
        if (cursor.type === type) kinds.add(`type ${name}`)
      }
      for (const [name, flag] of Object.entries(RecordFlag)) {
        if ((cursor.flags & flag) !== 0) kinds.add(`flag ${name}`)
      }
      const [prefix] = Buffer.from(cursor.subject).toString().split('/')
      if (cursor.type === RecordType.state) kinds.add(`state ${prefix}/`)
      cursor.at += cursor.length
    }
  }
}

/** All that there is, as the code names it. */
function knownKinds(): string[] {
  const all = [
    ...Object.keys(RecordType).map((name) => `type ${name}`),
    ...Object.keys(RecordFlag).map((name) => `flag ${name}`),
  ]
  for (const entry of readdirSync('shared/stream', { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue
    const text = readFileSync(`shared/stream/${entry}`, 'utf8')
    const named = text.matchAll(/^(?:export )?const \w*(?:KEY|PREFIX|PREFIXES) = (.*)$/gm)
    for (const [, value = ''] of named) {
      for (const [, prefix] of value.matchAll(/'([a-z-]+\/)[a-z]*'/g)) all.push(`state ${prefix}`)
    }
  }
  return all
}

/** What was answered, by scene, and which kinds were in the journal, over all runs. */
interface Drawn {
  readonly answered: Map<string, number>
  readonly kinds: Set<string>
}

async function crashes(runSeed: number, { answered, kinds }: Drawn): Promise<void> {
  const machine = new CutMachine(new SeededRandom(runSeed))
  const { random } = machine
  const all = scenesOf(random.fork())
  const scenes = Object.values(all)
  await machine.start()
  for (const scene of scenes) {
    for (const config of scene.streams) {
      const answer = await machine.api<object>(`STREAM.CREATE.${config.name}`, config)
      assert.ok(!('error' in answer), JSON.stringify(answer))
    }
    await scene.prepare?.(machine)
  }
  for (let round = 0; round < ROUNDS; round++) {
    const what = `round ${round}`
    for (let i = random.below(OPERATIONS); i > 0; i--) {
      scenes[random.below(scenes.length)]?.act(machine)
      if (random.below(3) === 0) await settle(random.below(8))
      if (random.below(10) === 0) machine.clock.advance(300)
    }
    await settle(random.below(30))
    machine.crash()
    await noteKinds(machine, kinds)
    machine.onFound = async () => {
      for (const scene of scenes) await scene.found?.(machine, what)
    }
    await machine.start()
    // Time for sources, consumers and what was due meanwhile; what is stored was looked at as it was found.
    await settle(40)
    machine.clock.advance(3_000)
    await settle(80)
    for (const scene of scenes) await scene.check(machine, what)
  }
  await machine.end()
  for (const [name, scene] of Object.entries(all)) {
    answered.set(name, (answered.get(name) ?? 0) + scene.answered)
  }
}

describe('all kinds of records and power cuts', function () {
  this.timeout(60_000)

  it(`keep every promise (SEED=${seed})`, async () => {
    const drawn: Drawn = { answered: new Map(), kinds: new Set() }
    for (let runSeed = seed; runSeed < seed + RUNS; runSeed++) {
      await crashes(runSeed, drawn).catch((cause: unknown) => {
        throw new Error(`SEED=${runSeed} failed`, { cause })
      })
    }
    for (const [name, count] of drawn.answered) assert.ok(count > 0, `no ${name}`)
    const missing = knownKinds().filter((kind) => !drawn.kinds.has(kind) && !(kind in ELSEWHERE))
    assert.deepEqual(missing, [], 'kinds of records that no scene draws')
  })

  it(`have a roll-up with what it takes, or neither, cut at any change of the disk (SEED=${seed})`, async () => {
    const random = new SeededRandom(seed)
    const machine = new CutMachine(
      random,
      new SimDisk({ random: random.fork(), isRecording: true }),
    )
    await machine.start()
    const config = { name: 'R', subjects: ['r.>'], allow_rollup_hdrs: true }
    await machine.api('STREAM.CREATE.R', config)
    const ledger = new CutLedger(config, drawRollUp, random.fork())
    const first = machine.disk.recorded
    for (let burst = 0; burst < 6; burst++) {
      for (let i = 0; i < 12; i++) ledger.act(machine)
      await settle(60)
    }
    assert.equal(ledger.answered, 72)
    for (let at = first; at <= machine.disk.recorded; at++) {
      for (let again = 0; again < 8; again++) {
        const cut = new CutMachine(random.fork(), machine.disk.powerCutAt(at, random))
        await cut.open()
        await ledger.checkWhole(cut, `SEED=${seed} cut ${at}`)
        await cut.end()
      }
    }
    await machine.end()
  })

  it('have a roll-up with what it takes, or neither, cut within any of its records', async () => {
    const random = new SeededRandom(1)
    const machine = new CutMachine(random)
    await machine.start()
    await machine.api('STREAM.CREATE.R', { name: 'R', subjects: ['r.>'], allow_rollup_hdrs: true })
    const send = async (subject: string, headers: Record<string, string> = {}): Promise<void> => {
      let isAnswered = false
      machine.ask(subject, subject, () => (isAnswered = true), headers)
      for (let i = 0; i < 50 && !isAnswered; i++) await settle(1)
      assert.ok(isAnswered)
    }
    for (const rollUp of ['sub', 'all']) {
      for (const subject of ['r.a', 'r.b', 'r.a']) await send(subject)
      const before = machine.disk.bytesOf(FIRST).length
      const old = seqsOf(await machine.messagesIn('R'))
      await send('r.a', { 'Nats-Rollup': rollUp })
      const whole = machine.disk.bytesOf(FIRST)
      const now = seqsOf(await machine.messagesIn('R'))
      assert.ok(now.split(',').length < old.split(',').length)
      const found = new Set<string>()
      for (let size = before; size < whole.length + CUT_STEP; size += CUT_STEP) {
        const disk = new SimDisk({ random: new SeededRandom(size) })
        await disk.makeDirectory('/data/journal')
        await disk.writeFileAtomic('/data/store.json', machine.disk.bytesOf('/data/store.json'))
        await disk.writeFileAtomic(FIRST, whole.subarray(0, size))
        const cut = new CutMachine(random.fork(), disk)
        await cut.open()
        const held = seqsOf(await cut.messagesIn('R'))
        assert.ok(held === old || held === now, `${rollUp}, cut at ${size}: ${held}`)
        found.add(held)
        await cut.end()
      }
      assert.deepEqual([...found], [old, now])
    }
    await machine.end()
  })
})

function seqsOf(messages: readonly { readonly seq: number }[]): string {
  return messages.map(({ seq }) => seq).join()
}
