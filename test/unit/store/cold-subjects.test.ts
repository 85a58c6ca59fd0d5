/** Subjects on disk against a map, with so few pages in memory that most are read again for each question. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { COLD_ID_MIN } from '../../../shared/store/cold-subjects.ts'
import { COLD_LOOKUPS_MAX } from '../../../shared/store/limits.ts'
import { StreamSubjects } from '../../../shared/store/stream-subjects.ts'
import { SubjectFilter } from '../../../shared/subject/index.ts'
import { type FewSubjects, fewSubjects } from '../../support/few-subjects.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

interface Known {
  readonly id: number
  readonly seqs: number[]
}

class Pair {
  readonly space: FewSubjects
  readonly random = new SeededRandom(seed)
  readonly subjects: StreamSubjects
  readonly known = new Map<string, Known>()
  #seq = 0

  constructor(space: FewSubjects) {
    this.space = space
    this.subjects = new StreamSubjects(space)
  }

  add(text: string): void {
    const bytes = Buffer.from(`..${text}..`)
    const id = this.subjects.intern(bytes, 2, bytes.length - 2)
    this.#seq += 1 + this.random.below(3)
    // Past 32 bits, too.
    if (this.random.below(5_000) === 0) this.#seq += 2 ** 33
    this.subjects.add(id, this.#seq)
    const known = this.known.get(text) ?? { id, seqs: [] }
    assert.equal(id, known.id, `${text} keeps its id`)
    known.seqs.push(this.#seq)
    this.known.set(text, known)
  }

  removeOne(text: string, known: Known): void {
    const [seq] = known.seqs.splice(this.random.below(known.seqs.length), 1)
    this.subjects.remove(known.id, seq!)
    if (known.seqs.length === 0) this.known.delete(text)
  }

  check(what: string): void {
    assert.equal(this.subjects.size, this.known.size, what)
    assert.deepEqual(
      [...this.subjects.ids()].sort((a, b) => a - b),
      [...this.known.values()].map(({ id }) => id).sort((a, b) => a - b),
    )
    for (const [text, { id, seqs }] of this.known) {
      const bytes = Buffer.from(text)
      assert.equal(this.subjects.find(bytes, 0, bytes.length), id, `${what}: ${text}`)
      assert.ok(Buffer.from(this.subjects.bytes(id)).equals(bytes), `${what}: ${text}`)
      assert.equal(this.subjects.count(id), seqs.length)
      assert.ok(this.subjects.firstBound(id) <= seqs[0]!)
      const last = this.subjects.last(id)
      if (last > 0) assert.equal(last, seqs.at(-1))
      else assert.ok(-last >= seqs.at(-1)!)
    }
  }
}

function textOf(random: SeededRandom): string {
  const number = random.below(3_000)
  // Longer than a page, by a little and by a lot.
  if (number < 8) return `${number}.${'x'.repeat(4_040 + number * 4)}`
  if (number < 12) return `${number}.${'y'.repeat(number * 5_000)}`
  return number % 3 === 0 ? `a.${number}` : `plant.${number % 40}.device.${number}.temperature`
}

describe('subjects on disk', function () {
  this.timeout(60_000)

  it(`are what a map says (seed=${seed})`, () => {
    const pair = new Pair(fewSubjects(20, { hashSeed: seed }))
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 6_000; i++) pair.add(textOf(pair.random))
      pair.check(`SEED=${seed} round ${round}`)
      for (const [text, known] of [...pair.known]) {
        while (known.seqs.length > 0 && pair.random.below(12) > 0) pair.removeOne(text, known)
      }
      pair.check(`SEED=${seed} round ${round}, after removals`)
    }
    assert.ok(pair.space.fileBytes > 0, 'a file was needed')
    for (const [text, known] of [...pair.known]) {
      while (known.seqs.length > 0) pair.removeOne(text, known)
    }
    assert.deepEqual([pair.space.used.size, pair.space.fileBytes], [0, 0], 'all pages are free')
    assert.deepEqual([pair.space.budget.subjects, pair.space.budget.bytes], [0, 0])
  })

  it(`are known to match in steps, while others come and go (seed=${seed})`, () => {
    const pair = new Pair(fewSubjects(20, { hashSeed: seed }))
    const { random, subjects } = pair
    // Three of them stay known, the others make each other forgotten.
    const filters = ['plant.*.device.*.temperature', 'a.*', '*.7.>', 'x.*', '*.*', 'y.*', '*.*.z']
    let prepared = 0
    for (let round = 0; round < 300; round++) {
      for (let i = random.below(60); i > 0; i--) pair.add(textOf(random))
      const goes = round % 60 === 59 ? 1 : 0.2
      for (const [text, known] of goes === 1 || round % 8 === 0 ? [...pair.known] : []) {
        while (known.seqs.length > 0 && random.below(1_000) < goes * 1_000) {
          pair.removeOne(text, known)
        }
      }
      const filter = new SubjectFilter(filters[random.below(random.below(6) === 0 ? 7 : 3)]!)
      if (subjects.prepare(filter, random.below(12))) prepared++
      if (random.below(3) > 0) continue
      const isMatch = random.below(2) === 0 ? subjects.matching(filter) : subjects.matcher(filter)
      for (const [text, { id }] of pair.known) {
        assert.equal(isMatch(id), filter.matchesText(text), `SEED=${seed} ${round} ${text}`)
      }
      const visited: number[] = []
      subjects.visit(filter, (id) => visited.push(id) > 0)
      const expected = [...pair.known].filter(([text]) => filter.matchesText(text))
      assert.equal(visited.length, expected.length, `SEED=${seed} ${round}`)
    }
    assert.ok(prepared > 10, `${prepared}`)
  })

  it('are each read once for a filter, and not again while it is known', () => {
    const space = fewSubjects(0)
    const pair = new Pair(space)
    for (let i = 0; i < 20_000; i++) pair.add(`device.${i}.temperature`)
    const scattered = [...pair.known.values()].map(({ id }) => id)
    scattered.sort((a, b) => (a % 997) - (b % 997))
    const strike = space.disk.strike.bind(space.disk)
    let reads = 0
    space.disk.strike = (fault, call, path) => {
      if (fault === 'reads') reads++
      strike(fault, call, path)
    }
    const isMatch = pair.subjects.matcher(new SubjectFilter('*.*.pressure'))
    for (const id of scattered) assert.equal(isMatch(id), false)
    assert.ok(reads > 0 && reads <= COLD_LOOKUPS_MAX + space.used.size, `${reads} reads`)
    reads = 0
    const again = pair.subjects.matcher(new SubjectFilter('*.*.pressure'))
    for (const id of scattered) assert.equal(again(id), false)
    assert.equal(reads, 0)
  })

  it('take the pages of those that are gone', () => {
    const space = fewSubjects(0)
    const pair = new Pair(space)
    const window = 1_000
    for (let i = 0; i < 40_000; i++) {
      pair.add(`device.${i}.temperature`)
      const old = `device.${i - window}.temperature`
      const known = pair.known.get(old)
      if (known !== undefined) pair.removeOne(old, known)
    }
    pair.check('a window of them')
    // Some 70 subjects fit into a page, and there is more than one page of pairs.
    assert.ok(space.used.size < 100, `${space.used.size} pages`)
    pair.subjects.release()
    assert.equal(space.used.size, 0)
  })

  it('go to memory again when it has room, and to disk by their bytes too', () => {
    const space = fewSubjects(1_000, { bytesMax: 30 })
    const pair = new Pair(space)
    for (const text of ['a'.repeat(20), 'b'.repeat(20), 'c.1', 'c.2']) pair.add(text)
    const isCold = (text: string): boolean => pair.known.get(text)!.id >= COLD_ID_MIN
    assert.deepEqual([...pair.known.keys()].map(isCold), [false, false, true, true])
    pair.removeOne('a'.repeat(20), pair.known.get('a'.repeat(20))!)
    pair.add('d')
    pair.add('c.1')
    assert.deepEqual([isCold('d'), isCold('c.1')], [false, true])
    pair.check('in both places')
  })

  it('stay in memory while the disk takes nothing, and say so', () => {
    const space = fewSubjects(0)
    const pair = new Pair(space)
    for (let i = 0; i < 1_000; i++) pair.add(`before.${i}`)
    space.disk.quotaBytes = space.disk.usedBytes() + space.disk.scratchBytes
    for (let i = 0; i < 2_000; i++) pair.add(`full.${i}`)
    assert.deepEqual(space.told, ['stuck'])
    assert.equal(space.used.isFull, true)
    pair.check('on a full disk')
    space.disk.quotaBytes = Number.POSITIVE_INFINITY
    for (let i = 0; i < 10_000; i++) pair.add(`after.${i}`)
    assert.equal(space.used.isFull, false)
    pair.check('on a disk with room again')
  })

  it('are never guessed: what cannot be read is an error', () => {
    const space = fewSubjects(0)
    const pair = new Pair(space)
    for (let i = 0; i < 5_000; i++) pair.add(`device.${i}`)
    space.disk.faults.reads = 1
    assert.throws(() => pair.check('with a bad disk'), { code: 'EIO' })
    assert.deepEqual(space.told, ['failed'])
    pair.check('with a good one')
    space.used.close()
    assert.throws(() => pair.check('closed'), { code: 'PETIOLE_STORE_CLOSED' })
  })
})
