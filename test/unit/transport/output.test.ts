import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  allocate,
  arenaBytes,
  FlushQueue,
  OUTPUT_HIGH_WATER_BYTES,
  OUTPUT_LOW_WATER_BYTES,
  OUTPUT_PENDING_BYTES_MAX,
  OUTPUT_SLOT_BYTES,
  Output,
  type OutputSink,
  release,
  SEGMENT_BYTES,
  slotsInUse,
} from '../../../shared/transport/index.ts'
import { EARLY_SEND_BYTES } from '../../../shared/transport/limits.ts'

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** A sink as slow as it is told to be; it reads what it holds only when it lets go of it. */
class SlowSink implements OutputSink {
  readonly output: Output
  readonly random: SeededRandom
  parts: Buffer[] = []
  held: Uint8Array | undefined
  /** Of ten sends, how many are done at once. */
  ease = 0
  drains = 0
  empties = 0
  overflows = 0

  constructor(queue: FlushQueue, random: SeededRandom) {
    this.random = random
    this.output = new Output(this, queue)
  }

  sendNow(start: number, end: number): number {
    assert.equal(this.held, undefined)
    if (this.random.below(10) >= this.ease) return 0
    const size = this.random.below(3) === 0 ? this.random.below(end - start) : end - start
    this.#take(arenaBytes.subarray(start, start + size))
    return size
  }

  send(bytes: Uint8Array): boolean {
    assert.equal(this.held, undefined, 'one send at a time')
    assert.ok(bytes.length > 0)
    if (this.random.below(10) < this.ease) {
      this.#take(bytes)
      return true
    }
    this.held = bytes
    return false
  }

  letGo(): void {
    if (this.held === undefined) return
    this.#take(this.held)
    this.held = undefined
    this.output.sent()
  }

  drained(): void {
    this.drains++
    assert.ok(this.output.pendingBytes <= OUTPUT_LOW_WATER_BYTES)
  }

  emptied(): void {
    this.empties++
    assert.equal(this.output.pendingBytes, 0)
  }

  overflowed(): void {
    this.overflows++
    this.output.close()
  }

  #take(bytes: Uint8Array): void {
    this.parts.push(Buffer.from(bytes))
  }
}

/** Nothing is left to chance: a sink that can take bytes takes all of them. */
class SteadyRandom extends SeededRandom {
  constructor() {
    super(1)
  }

  override below(): number {
    return 1
  }
}

describe('output', () => {
  let queue: FlushQueue
  let scheduled: (() => void)[]

  beforeEach(() => {
    assert.equal(slotsInUse(), 0)
    scheduled = []
    queue = new FlushQueue((flush) => scheduled.push(flush))
  })
  afterEach(() => assert.equal(slotsInUse(), 0, `seed=${seed}`))

  it('keeps order and bytes, whatever is written and however slow the sinks are', () => {
    const random = new SeededRandom(seed)
    const sinks = Array.from({ length: 120 }, () => new SlowSink(queue, random))
    const expected: Buffer[][] = sinks.map(() => [])
    let largest = 0
    for (let step = 0; step < 6_000; step++) {
      const i = random.below(sinks.length)
      const sink = sinks[i]!
      if (random.below(100) === 0) sink.ease = random.below(11)
      if (random.below(3) === 0) sink.letGo()
      if (random.below(10) === 0) queue.endChunk(random.below(2) === 0)
      if (random.below(4) === 0) sink.output.sendSegments()
      const bytes = Buffer.alloc(sizeOf(random), step & 0xff)
      writeSomehow(sink.output, bytes, random)
      expected[i]!.push(bytes)
      largest = Math.max(largest, sink.output.pendingBytes)
    }
    assert.ok(largest > OUTPUT_SLOT_BYTES, 'the test saw back-pressure')
    queue.flush()
    for (const sink of sinks) while (sink.held !== undefined) sink.letGo()
    for (const [i, sink] of sinks.entries()) {
      assert.ok(Buffer.concat(sink.parts).equals(Buffer.concat(expected[i]!)), `seed=${seed}`)
      assert.equal(sink.output.pendingBytes, 0)
    }
  })

  it('gathers what is written in a chunk and sends it once', () => {
    const sink = new SlowSink(queue, new SeededRandom(seed))
    queue.beginChunk()
    for (let i = 0; i < 2_000; i++) sink.output.write(Buffer.alloc(100, 'm'))
    assert.equal(scheduled.length, 0)
    queue.endChunk(false)
    assert.equal(sink.held?.length, 200_000)
    sink.letGo()
    assert.equal(sink.empties, 1)
  })

  it('tells who asked whether it is behind when that may have changed, and nobody else', () => {
    const sink = new SlowSink(queue, new SteadyRandom())
    const fill = (size: number): void => {
      sink.output.write(Buffer.alloc(size, 'm'))
      queue.flush()
    }
    fill(1_000)
    assert.equal(sink.output.isBehind(1_001), false, 'blocked, but by little')
    sink.letGo()
    assert.equal(sink.drains, 0)
    sink.output.write(Buffer.alloc(1_000, 'm'))
    assert.equal(sink.output.isBehind(1_000), false, 'much, but it was not sent yet')
    queue.flush()
    assert.equal(sink.output.isBehind(1_000), true)
    fill(500)
    sink.letGo()
    assert.equal(sink.drains, 1, 'some of it has left')
    assert.equal(sink.output.isBehind(1_000), false)
    sink.letGo()
    assert.equal(sink.drains, 1)
  })

  describe('when more is about to come', () => {
    let sink: SlowSink
    let gathered = 0
    let written: Buffer[]
    const gather = (size: number): void => {
      queue.beginChunk()
      sink.output.write(Buffer.alloc(size, ++gathered))
      written.push(Buffer.alloc(size, gathered))
    }
    const sizes = (): number[] => sink.parts.map(({ length }) => length)

    beforeEach(() => {
      sink = new SlowSink(queue, new SteadyRandom())
      sink.ease = 10
      written = []
    })
    afterEach(() => {
      const sent = Buffer.concat(sink.parts)
      assert.ok(sent.equals(Buffer.concat(written).subarray(0, sent.length)))
    })

    it('sends whole segments, and the rest with what comes', () => {
      gather(2 * SEGMENT_BYTES + 100)
      queue.endChunk(true)
      assert.deepEqual(sizes(), [2 * SEGMENT_BYTES])
      assert.equal(sink.output.pendingBytes, 100)
      gather(SEGMENT_BYTES)
      queue.endChunk(true)
      assert.deepEqual(sizes(), [2 * SEGMENT_BYTES, SEGMENT_BYTES])
      gather(10)
      queue.endChunk(false)
      assert.deepEqual(sizes(), [2 * SEGMENT_BYTES, SEGMENT_BYTES, 110])
      assert.equal(sink.output.pendingBytes, 0)
    })

    it('sends whole segments in the middle of a chunk to who asks for it, once there are some', () => {
      gather(EARLY_SEND_BYTES)
      sink.output.sendSegments()
      assert.deepEqual(sizes(), [])
      gather(10)
      sink.output.sendSegments()
      assert.deepEqual(sizes(), [EARLY_SEND_BYTES])
      gather(SEGMENT_BYTES)
      sink.output.sendSegments()
      queue.endChunk(false)
      assert.deepEqual(sizes(), [EARLY_SEND_BYTES, SEGMENT_BYTES + 10])
    })

    it('keeps their order where the sink takes less', () => {
      sink.ease = 0
      gather(EARLY_SEND_BYTES + 10)
      sink.output.sendSegments()
      gather(2 * SEGMENT_BYTES)
      sink.output.sendSegments()
      queue.endChunk(false)
      while (sink.held !== undefined) sink.letGo()
      assert.equal(sink.output.pendingBytes, 0)
      assert.equal(Buffer.concat(sink.parts).length, EARLY_SEND_BYTES + 2 * SEGMENT_BYTES + 10)
    })

    it('sends the rest soon when nothing comes', () => {
      gather(SEGMENT_BYTES + 100)
      queue.endChunk(true)
      assert.equal(scheduled.length, 1)
      scheduled[0]?.()
      assert.deepEqual(sizes(), [SEGMENT_BYTES, 100])
    })

    it('does not let a rest wait for more than the next chunk, nor who gets little at all', () => {
      gather(SEGMENT_BYTES + 100)
      queue.endChunk(true)
      queue.beginChunk()
      queue.endChunk(true)
      assert.deepEqual(sizes(), [SEGMENT_BYTES, 100])
      gather(SEGMENT_BYTES - 1)
      queue.endChunk(true)
      assert.deepEqual(sizes(), [SEGMENT_BYTES, 100, SEGMENT_BYTES - 1])
    })

    it('keeps the rest behind segments that the sink does not take at once', () => {
      sink.ease = 0
      gather(SEGMENT_BYTES + 100)
      queue.endChunk(true)
      assert.equal(sink.held?.length, SEGMENT_BYTES + 100)
      sink.letGo()
      assert.equal(sink.output.pendingBytes, 0)
    })

    it('drops the rest of an output that is closed', () => {
      gather(SEGMENT_BYTES + 100)
      queue.endChunk(true)
      sink.output.close()
      scheduled[0]?.()
      assert.deepEqual(sizes(), [SEGMENT_BYTES])
    })
  })

  it('schedules one flush for what is written outside a chunk', () => {
    const sinks = [1, 2].map(() => new SlowSink(queue, new SeededRandom(seed)))
    for (const sink of sinks) {
      sink.output.write(Buffer.from('a'))
      sink.output.write(Buffer.from('b'))
    }
    assert.equal(scheduled.length, 1)
    scheduled[0]?.()
    for (const sink of sinks) {
      assert.equal(Buffer.from(sink.held!).toString(), 'ab')
      sink.letGo()
    }
    sinks[0]?.output.write(Buffer.from('c'))
    assert.equal(scheduled.length, 2)
    scheduled[1]?.()
    sinks[0]?.letGo()
  })

  it('tells of the low-water mark once for each time above the high one', () => {
    const sink = new SlowSink(queue, new SeededRandom(seed))
    for (let round = 1; round <= 3; round++) {
      while (sink.output.pendingBytes < OUTPUT_HIGH_WATER_BYTES)
        sink.output.write(new Uint8Array(9_999))
      while (sink.output.pendingBytes > OUTPUT_LOW_WATER_BYTES) {
        assert.equal(sink.drains, round - 1)
        sink.letGo()
      }
      assert.equal(sink.drains, round)
    }
    while (sink.held !== undefined) sink.letGo()
    assert.equal(sink.drains, 3)
  })

  it('after end sends what is there and takes no more; after close drops it', () => {
    for (const close of [false, true]) {
      const sink = new SlowSink(queue, new SeededRandom(seed))
      sink.output.write(new Uint8Array(OUTPUT_SLOT_BYTES))
      sink.output.write(new Uint8Array(1_000))
      sink.output.end()
      assert.equal(sink.output.reserve(1), -1)
      sink.output.write(new Uint8Array(1))
      if (close) sink.output.close()
      sink.letGo()
      assert.equal(sink.held !== undefined, !close)
      sink.letGo()
      assert.equal(Buffer.concat(sink.parts).length, OUTPUT_SLOT_BYTES + (close ? 0 : 1_000))
    }
  })

  it('a reservation that was not committed leaves nothing', () => {
    const sink = new SlowSink(queue, new SeededRandom(seed))
    assert.ok(sink.output.reserve(100) > 0)
    assert.ok(sink.output.reserve(OUTPUT_SLOT_BYTES) > 0)
    queue.flush()
    assert.equal(sink.held, undefined)
    assert.equal(sink.output.reserve(OUTPUT_SLOT_BYTES + 1), -1)
  })

  it('overflows past the last limit, and never holds more', () => {
    const sink = new SlowSink(queue, new SeededRandom(seed))
    const part = new Uint8Array(OUTPUT_SLOT_BYTES)
    while (sink.overflows === 0) {
      sink.output.write(part)
      assert.ok(sink.output.pendingBytes <= OUTPUT_PENDING_BYTES_MAX + 2 * part.length)
    }
    sink.letGo()
    assert.equal(sink.overflows, 1)
  })
})

describe('arena', () => {
  it('gives out regions apart from each other, and released ones again', () => {
    const first = allocate(1_000)
    const second = allocate(1_000)
    assert.ok(second >= first + 1_000 || first >= second + 1_000)
    assert.equal(first % 8, 0)
    release(second, 1_000)
    assert.equal(allocate(1_000), second)
    release(second, 1_000)
    release(first, 1_000)
    assert.throws(() => allocate(2 ** 31), { code: 'PETIOLE_INVARIANT' })
  })
})

function sizeOf(random: SeededRandom): number {
  switch (random.below(8)) {
    case 0:
      return 1 + random.below(600_000)
    case 1:
      return 1 + random.below(40_000)
    default:
      return 1 + random.below(300)
  }
}

function writeSomehow(output: Output, bytes: Buffer, random: SeededRandom): void {
  const at = random.below(2) === 0 ? output.reserve(bytes.length) : -1
  if (at < 0) {
    output.write(bytes)
    return
  }
  arenaBytes.set(bytes, at)
  arenaBytes.fill(0xee, at + bytes.length, at + bytes.length + random.below(64))
  output.commit(at + bytes.length)
}
