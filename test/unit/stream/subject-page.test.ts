/** What STREAM.INFO tells of very many subjects, others in between. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import {
  NO_SUBJECTS,
  SubjectPages,
  sortedInTurns,
} from '../../../shared/stream/api/subject-page.ts'
import type { Stream } from '../../../shared/stream/index.ts'
import { SORT_RUN, SORT_STEP, SUBJECT_DETAILS_PAGE } from '../../../shared/stream/limits.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

function drawn(random: SeededRandom, count: number): string[] {
  return Array.from({ length: count }, () => `s.${random.below(1_000)}.${random.below(2 ** 31)}`)
}

/** As much of a stream as a page needs. */
class Subjects {
  asked = 0
  readonly #found: Map<string, number>

  constructor(names: readonly string[]) {
    this.#found = new Map(names.map((name, i) => [name, i]))
  }

  get stream(): Stream {
    const subjectsInTurns = async (): Promise<Map<string, number>> => {
      this.asked++
      return this.#found
    }
    return { store: { subjectsInTurns } } as unknown as Stream
  }
}

describe(`pages of subjects: SEED=${seed}`, function () {
  this.timeout(60_000)
  const random = new SeededRandom(seed)

  it('are in order, however many there are, and put so in steps', async () => {
    for (const count of [0, 1, SORT_RUN, SORT_RUN + 1, SORT_RUN * 5 + 7, SORT_RUN * 16]) {
      const names = drawn(random, count)
      let turns = 0
      const sorted = await sortedInTurns(names, async () => void turns++)
      assert.deepEqual(sorted, [...names].sort())
      const steps = Math.ceil(count / SORT_RUN) - 1 + Math.floor(count / SORT_STEP / 2)
      assert.ok(turns >= Math.max(0, steps), `${turns} turns for ${count}`)
    }
  })

  it('follow each other without a gap', async () => {
    const names = drawn(random, SUBJECT_DETAILS_PAGE + 500)
    const all = [...new Set(names)].sort()
    const pages = new SubjectPages(async () => {})
    const { stream } = new Subjects(names)
    const first = await pages.page(stream, '>', 0, () => true)
    const next = await pages.page(stream, '>', SUBJECT_DETAILS_PAGE, () => true)
    assert.deepEqual([first.total, first.limit], [all.length, SUBJECT_DETAILS_PAGE])
    const shown = [first, next].flatMap(({ subjects }) => Object.keys(subjects ?? {}))
    assert.equal(shown.join('\n') === all.join('\n'), true)
    const behind = await pages.page(stream, '>', all.length, () => true)
    assert.equal(behind.subjects, undefined)
  })

  it('are made one at a time, and not for who has gone', async () => {
    const turns: (() => void)[] = []
    const pages = new SubjectPages(() => new Promise((resolve) => turns.push(resolve)))
    const [one, other] = [new Subjects(drawn(random, SORT_RUN * 3)), new Subjects(['a'])]
    const first = pages.page(one.stream, '>', 0, () => true)
    const gone = pages.page(other.stream, '>', 0, () => false)
    const last = pages.page(other.stream, '>', 0, () => true)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([one.asked, other.asked], [1, 0])
    let isOver = false
    const ended = last.then(() => {
      isOver = true
    })
    while (!isOver) {
      turns.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await ended
    assert.equal((await first).total, SORT_RUN * 3)
    assert.deepEqual(await gone, NO_SUBJECTS)
    assert.deepEqual((await last).subjects, { a: 0 })
    assert.equal(other.asked, 1)
  })
})
