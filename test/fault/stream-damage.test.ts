/**
 * What becomes of streams, consumers, deletes and lifetimes when their store is damaged: a byte anywhere, a sector,
 * a file. The server starts; what is there has the content that it had; a byte costs one record, which is told, and never
 * brings back what was deleted or acknowledged. CASES says how many cases of a
 * drawn history are tried.
 */
import assert from 'node:assert/strict'
import { silentLog } from '../../shared/log/index.ts'
import { type Random, SeededRandom } from '../../shared/runtime/index.ts'
import { openStore, type Store, type StoreEncryption } from '../../shared/store/index.ts'
import { StreamEngine, UNLIMITED } from '../../shared/stream/index.ts'
import { SimDisk } from '../sim/index.ts'
import { MemoryPort, type Published } from '../support/memory-port.ts'
import { bytes } from '../support/opened-store.ts'
import { StoreClock, settle } from '../support/store-clock.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const CASES = Number(process.env['CASES'] ?? 12)
const SECTOR = 512
const PAGE = 4_096
const KEY = { key: bytes('a key of more than sixteen bytes') }
const STREAMS = ['S', 'W'] as const
const CONSUMERS = { S: 'c', W: 'w' } as const

type Files = ReadonlyMap<string, Uint8Array>

class Machine {
  readonly clock: StoreClock
  readonly port: MemoryPort
  readonly store: Store
  readonly engine: StreamEngine

  private constructor(store: Store, clock: StoreClock, port: MemoryPort, seed: number) {
    this.store = store
    this.clock = clock
    this.port = port
    this.engine = new StreamEngine({
      clock,
      port,
      store,
      random: new SeededRandom(seed),
      log: silentLog,
      account: 'A',
      domain: '',
      serverName: 'damaged',
      limits: UNLIMITED,
    })
  }

  static async start(disk: SimDisk, encryption: StoreEncryption): Promise<Machine> {
    const clock = new StoreClock()
    const store = await openStore({
      directory: '/data',
      clock,
      random: new SeededRandom(SEED),
      disk,
      log: silentLog,
      segmentBytes: 6_000,
      dictionaryBytes: 200,
      reserveBytes: 0,
      encryption,
    })
    const machine = new Machine(store, clock, new MemoryPort(), SEED)
    await machine.engine.start()
    await settle(10)
    return machine
  }

  async ask(subject: string, body: object | string = '', headers = {}): Promise<Published> {
    let answer: Published | undefined
    const payload = typeof body === 'string' ? body : JSON.stringify(body)
    this.port.request(subject, payload, headers).then((one) => {
      answer = one
    }, assert.fail)
    for (let i = 0; i < 60 && answer === undefined; i++) {
      await settle(3)
      if (i % 8 === 7) this.clock.advance(300)
    }
    assert.ok(answer, `SEED=${SEED} ${subject} is not answered`)
    return answer
  }

  async api(subject: string, body: object | string = '') {
    return JSON.parse((await this.ask(`$JS.API.${subject}`, body)).payload)
  }

  async passed(ms: number): Promise<void> {
    for (let i = 0; i < 20; i++) {
      this.clock.advance(ms / 20)
      await settle(8)
    }
  }

  async stop(isKilled: boolean): Promise<void> {
    if (isKilled) await this.engine.destroy()
    else await this.engine.drain()
    if (isKilled) await this.store.destroy()
    else await this.store.drain()
  }
}

/** What can be asked of the streams. */
interface Picture {
  readonly messages: ReadonlyMap<string, string>
  readonly lastSeq: Readonly<Record<string, number>>
  readonly floor: Readonly<Record<string, number>>
}

async function pictureOf(machine: Machine): Promise<Picture> {
  const messages = new Map<string, string>()
  const lastSeq: Record<string, number> = {}
  const floor: Record<string, number> = {}
  for (const name of STREAMS) {
    const stream = machine.store.streams.get(`A/${name}`)
    if (stream === undefined) continue
    const read = await stream.read({ fromSeq: 1, messagesMax: 1_000, bytesMax: 1e8 })
    for (const { seq, subject, headers, payload } of read.messages) {
      const text = [subject, headers, payload].map((part) => Buffer.from(part).toString()).join(' ')
      messages.set(`${name} ${seq}`, text)
    }
    lastSeq[name] = stream.state.lastSeq
    const info = await machine.api(`CONSUMER.INFO.${name}.${CONSUMERS[name]}`)
    floor[name] = info.ack_floor?.stream_seq ?? -1
  }
  return { messages, lastSeq, floor }
}

async function lived(random: SeededRandom, encryption: StoreEncryption, isKilled: boolean) {
  const disk = new SimDisk({ random: random.fork() })
  const machine = await Machine.start(disk, encryption)
  const config = { subjects: ['s.>'], compression: 's2', max_msgs_per_subject: 3 }
  const more = { allow_msg_ttl: true, allow_atomic: true, allow_rollup_hdrs: true }
  const created = [
    await machine.api('STREAM.CREATE.S', { name: 'S', ...config, ...more }),
    await machine.api('STREAM.CREATE.W', { name: 'W', subjects: ['w.>'], retention: 'workqueue' }),
  ]
  for (const name of STREAMS) {
    const consumer = { durable_name: CONSUMERS[name], ack_policy: 'explicit' }
    const asked = { stream_name: name, config: consumer }
    created.push(await machine.api(`CONSUMER.CREATE.${name}.${CONSUMERS[name]}`, asked))
  }
  for (const { error } of created) assert.equal(error, undefined)
  for (let i = 0; i < 240; i++) {
    const text = `reading ${i} of a sensor: ${'alike '.repeat(random.below(8))}`
    const kind = random.below(10)
    if (kind < 5) await machine.ask(`s.${random.below(40)}`, text)
    else if (kind === 5) await machine.ask(`s.${random.below(9)}`, text, { 'Nats-TTL': '1h' })
    else if (kind === 6) await machine.api('STREAM.MSG.DELETE.S', { seq: 1 + random.below(i) })
    else if (kind === 7) {
      await machine.ask('s.0', text, { 'Nats-Rollup': 'sub' })
    } else {
      await machine.ask(`w.${i}`, text)
      await machine.ask(`w.${i}`, text)
      const { reply } = await machine.ask('$JS.API.CONSUMER.MSG.NEXT.W.w', '1')
      if (reply !== '') await machine.ask(reply, '+ACK')
    }
    if (i % 3 === 0) {
      const { reply } = await machine.ask(
        '$JS.API.CONSUMER.MSG.NEXT.S.c',
        '{"batch":1,"no_wait":true}',
      )
      if (reply !== '') await machine.ask(reply, '+ACK')
    }
  }
  await machine.passed(20_000)
  const picture = await pictureOf(machine)
  await machine.stop(isKilled)
  const files = new Map<string, Uint8Array>()
  for (const folder of ['/data', '/data/journal']) {
    for (const name of await disk.list(folder)) {
      if (name !== 'journal') files.set(`${folder}/${name}`, disk.bytesOf(`${folder}/${name}`))
    }
  }
  return { files, picture }
}

async function diskOf(files: Files, seed: number): Promise<SimDisk> {
  const disk = new SimDisk({ random: new SeededRandom(seed) })
  await disk.makeDirectory('/data/journal')
  for (const [name, content] of files) await disk.writeFileAtomic(name, content)
  return disk
}

/** One damage, drawn; undefined when it hit nothing. */
type Damage = (files: Map<string, Uint8Array>, random: Random) => string

function pick(files: Files, random: Random): [string, Uint8Array<ArrayBuffer>] {
  const named = [...files].filter(([, content]) => content.length > 0)
  let at = random.below(named.reduce((sum, [, { length }]) => sum + length, 0))
  for (const [name, content] of named) {
    if (at < content.length) return [name, new Uint8Array(content)]
    at -= content.length
  }
  throw new Error('no file')
}

const flip: Damage = (files, random) => {
  const [name, content] = pick(files, random)
  const at = random.below(content.length)
  content[at] = (content[at] ?? 0) ^ (1 << random.below(8))
  files.set(name, content)
  return `${name} byte ${at} of ${content.length}`
}

const zero =
  (size: number): Damage =>
  (files, random) => {
    const [name, content] = pick(files, random)
    const at = Math.floor(random.below(content.length) / size) * size
    content.fill(0, at, at + size)
    files.set(name, content)
    return `${name} zeros of ${size} at ${at} of ${content.length}`
  }

const swap: Damage = (files, random) => {
  const [name, content] = pick(files, random)
  const sectors = Math.max(1, Math.floor(content.length / SECTOR))
  const [a, b] = [random.below(sectors) * SECTOR, random.below(sectors) * SECTOR]
  const kept = content.slice(a, a + SECTOR)
  content.copyWithin(a, b, Math.min(b + SECTOR, content.length))
  content.set(kept.subarray(0, Math.min(SECTOR, content.length - b)), b)
  files.set(name, content)
  return `${name} sectors at ${a} and ${b} swapped, of ${content.length}`
}

const cut: Damage = (files, random) => {
  const [name, content] = pick(files, random)
  const size = random.below(content.length)
  files.set(name, content.slice(0, size))
  return `${name} cut to ${size} of ${content.length}`
}

const remove: Damage = (files, random) => {
  const names = [...files.keys()].filter((name) => !name.endsWith('.log'))
  const name = names[random.below(names.length)] ?? ''
  files.delete(name)
  return `${name} removed`
}

describe('fault: streams whose store is damaged', function () {
  this.timeout(600_000)
  const whole = new Map<string, { files: Files; picture: Picture }>()
  const kinds = { plain: {}, encrypted: KEY } as const

  for (const [kind, encryption] of Object.entries(kinds))
    for (const isKilled of [false, true]) {
      const life = `${kind}, ${isKilled ? 'killed' : 'stopped'}`
      const history = async () => {
        const known = whole.get(life) ?? (await lived(new SeededRandom(SEED), encryption, isKilled))
        whole.set(life, known)
        return known
      }

      it(`lose one record to a byte, and nothing comes back (${life}, SEED=${SEED})`, async () => {
        const { files, picture } = await history()
        const random = new SeededRandom(SEED)
        for (let i = 0; i < CASES; i++) {
          const damaged = new Map(files)
          const what = `SEED=${SEED} case ${i}: ${flip(damaged, random)}`
          const machine = await started(damaged, encryption, what)
          const left = await pictureOf(machine)
          assertContent(left, picture, what)
          const lost = [...picture.messages.keys()].filter((key) => !left.messages.has(key))
          assert.ok(lost.length <= 1, `${what}: ${lost} are lost`)
          if (lost.length === 1) assert.ok(machine.store.stats.damagedRecords > 0, what)
          for (const name of STREAMS) {
            assert.equal(left.lastSeq[name], picture.lastSeq[name], `${what}: last of ${name}`)
            assert.ok(
              left.floor[name]! >= picture.floor[name]!,
              `${what}: floor of ${name} ${left.floor[name]}, was ${picture.floor[name]}`,
            )
          }
          await machine.stop(true)
        }
      })

      it(`start with what is left of sectors and files (${life}, SEED=${SEED})`, async () => {
        const { files, picture } = await history()
        const random = new SeededRandom(SEED)
        const damages = [zero(SECTOR), zero(PAGE), swap, cut, remove]
        for (let i = 0; i < CASES; i++) {
          const damaged = new Map(files)
          const damage = damages[i % damages.length] ?? flip
          const what = `SEED=${SEED} case ${i}: ${damage(damaged, random)}`
          const machine = await started(damaged, encryption, what)
          const left = await pictureOf(machine)
          assertContent(left, picture, what, true)
          const { damagedRecords, tornBytes, mendedFiles } = machine.store.stats
          if (!STREAMS.every((name) => left.lastSeq[name] !== undefined)) {
            // With a whole sector both records of a configuration may be gone.
            assert.ok(damagedRecords + tornBytes + mendedFiles > 0, `${what}: nothing is told`)
            await machine.stop(true)
            continue
          }
          const acked = await machine.ask('s.next', 'next')
          assert.match(acked.payload, /"seq":/, what)
          await machine.stop(true)
        }
      })
    }

  async function started(files: Files, encryption: StoreEncryption, what: string) {
    try {
      return await Machine.start(await diskOf(files, SEED), encryption)
    } catch (error) {
      throw new Error(`${what}: does not start`, { cause: error })
    }
  }

  /** What is there was there, and is what it was. */
  function assertContent(left: Picture, was: Picture, what: string, mayComeBack = false): void {
    for (const [key, text] of left.messages) {
      const before = was.messages.get(key)
      if (before === undefined) assert.ok(mayComeBack, `${what}: ${key} came back`)
      else assert.equal(text, before, `${what}: ${key}`)
    }
  }
})
