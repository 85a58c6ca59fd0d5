/** When a stream takes up a dictionary, and when it does not. */
import assert from 'node:assert/strict'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'
import { dictionaryIdOf } from '../../../../shared/store/compression/compressed-body.ts'
import { Compressor } from '../../../../shared/store/compression/compressor.ts'
import { DICTIONARIES_MAX } from '../../../../shared/store/compression/limits.ts'
import { StreamCompression } from '../../../../shared/store/compression/stream-compression.ts'
import type { Committed, StateTable } from '../../../../shared/store/index.ts'

const KIND = 'something else altogether, which is longer than what it was before'
const NONE = new Uint8Array(0)

/** A table whose disk is as slow as the test wants, and may be full. */
class SlowTable implements StateTable {
  readonly values = new Map<string, Uint8Array>()
  isFull = false
  #waiting: (() => void)[] = []

  get(key: string): Uint8Array | undefined {
    return this.values.get(key)
  }

  set(key: string, value: Uint8Array, committed?: Committed): void {
    this.#waiting.push(() => {
      if (this.isFull) return committed?.(new PetioleError('PETIOLE_STORE_FULL', 'full'), 0)
      this.values.set(key, value)
      committed?.(undefined, 0)
    })
  }

  remove(key: string): void {
    this.values.delete(key)
  }

  entries(): IterableIterator<[string, Uint8Array]> {
    return this.values.entries()
  }

  sync(): void {
    for (const done of this.#waiting.splice(0)) done()
  }
}

class Scene {
  readonly table = new SlowTable()
  readonly random = new SeededRandom(5)
  isRefusing = false
  readonly dictionaryBytes: number
  stream: StreamCompression
  serial = 0

  constructor(dictionaryBytes = 512) {
    this.dictionaryBytes = dictionaryBytes
    this.stream = this.open()
  }

  open(): StreamCompression {
    return new StreamCompression({
      compressor: new Compressor(),
      states: this.table,
      dictionaryBytes: this.dictionaryBytes,
      writeLater: (write, refused) => (this.isRefusing ? refused() : write()),
    })
  }

  /** Another message; returns by which dictionary it was compressed, undefined when it was not. */
  message(kind = 'reading'): number | undefined {
    const text = `{"${kind}":"${kind} of the plant","serial":${this.serial++}}`
    const body = this.stream.compress(NONE, Buffer.from(text))
    if (body === undefined) return undefined
    const plain = this.stream.decompress(body)
    assert.equal(Buffer.from(plain?.payload ?? []).toString(), text)
    return dictionaryIdOf(body)
  }

  messages(count: number, kind?: string): void {
    for (let i = 0; i < count; i++) this.message(kind)
  }

  /** How many there are on disk, each of them twice. */
  get dictionaries(): number {
    const values = [...this.table.values.values()].map((value) => Buffer.from(value).toString())
    assert.equal(values.length, new Set(values).size * 2)
    return values.length / 2
  }
}

describe('store, what a stream learns of its messages', function () {
  this.timeout(60_000)

  it('is used when it is on disk, not before', () => {
    const scene = new Scene()
    scene.messages(60)
    assert.equal(scene.dictionaries, 0)
    const before = scene.message()
    assert.ok(before === undefined || before === 0)
    scene.table.sync()
    assert.equal(scene.dictionaries, 1)
    assert.ok((scene.message() ?? 0) > 0)
  })

  it('is used again after a start, and an older one is still read', () => {
    const scene = new Scene()
    scene.messages(60)
    scene.table.sync()
    const first = scene.message()
    const old = scene.stream.compress(NONE, Buffer.from('{"reading":"reading of the plant"}'))
    assert.ok(old)
    const kept = new Uint8Array(old)
    scene.messages(12_000, KIND)
    scene.table.sync()
    assert.equal(scene.dictionaries, 2)
    scene.stream = scene.open()
    const second = scene.message(KIND)
    assert.ok(second !== undefined && second > 0 && second !== first)
    assert.ok(scene.stream.decompress(kept))
    assert.ok(first !== undefined && scene.stream.hasDictionary(first))
  })

  it('is nothing where messages have nothing in common', () => {
    const scene = new Scene()
    for (let i = 0; i < 20_000; i++) {
      assert.equal(scene.stream.compress(NONE, scene.random.bytes(100)), undefined)
      scene.table.sync()
    }
    assert.equal(scene.dictionaries, 0)
  })

  it('comes later when the store takes nothing, and then as if nothing had been', () => {
    for (const why of ['refused', 'full']) {
      const scene = new Scene()
      scene.isRefusing = why === 'refused'
      scene.table.isFull = why === 'full'
      for (let i = 0; i < 20_000; i++) {
        scene.message()
        scene.table.sync()
      }
      assert.equal(scene.dictionaries, 0)
      scene.isRefusing = false
      scene.table.isFull = false
      for (let i = 0; i < 200_000 && scene.dictionaries === 0; i++) {
        scene.message()
        scene.table.sync()
      }
      assert.equal(scene.dictionaries, 1, why)
      assert.deepEqual([...scene.table.values.keys()], ['\0compression:0a', '\0compression:0b'])
    }
  })

  it('is so much and no more, however often messages change', () => {
    const scene = new Scene(128)
    const next = (): void => {
      const words = Buffer.from(scene.random.bytes(14)).toString('hex')
      for (let i = 0; i < 4_000; i++) {
        scene.message(words)
        scene.table.sync()
      }
    }
    for (let i = 0; i < 300 && scene.dictionaries < DICTIONARIES_MAX; i++) next()
    for (let i = 0; i < 5; i++) next()
    assert.equal(scene.dictionaries, DICTIONARIES_MAX)
  })
})
