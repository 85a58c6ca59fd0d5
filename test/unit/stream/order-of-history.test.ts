/** That the check of histories [test/support/stream-history.ts] takes what can be and nothing else. */
import assert from 'node:assert/strict'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { drawHistory, FALSEHOODS, type Falsehood, falsify } from '../../support/drawn-histories.ts'
import { type Read, type Stored, StreamHistory, type Write } from '../../support/stream-history.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const HISTORIES = 40
const FALSE_HISTORIES = 30

type Told = Partial<Pick<Write, 'expectedLast' | 'expectedOnSubject' | 'actual' | 'isRollup'>>

/** Writes values to `h`, or to a subject that is named `subject=value`. */
class Tale {
  readonly history = new StreamHistory()
  readonly final = new Map<number, Stored>()

  /** @param seq 0: refused, undefined: nobody heard */
  write(
    seq: number | undefined,
    startMs: number,
    endMs: number,
    what: string,
    told: Told = {},
  ): this {
    const messages = what.split(',').map(stored)
    this.history.writes.push({
      messages,
      isRollup: false,
      startMs,
      endMs,
      ...(seq === undefined ? {} : { seq }),
      ...told,
    })
    return this
  }

  remove(seq: number, startMs: number, endMs: number, outcome?: 'done' | 'missing'): this {
    this.history.removals.push({ seq, startMs, endMs, ...(outcome && { outcome }) })
    return this
  }

  /** @param found `seq=value`, or nothing */
  get(what: number | string, startMs: number, endMs: number, found?: string): this {
    const asked = typeof what === 'number' ? { askedSeq: what } : { subject: what }
    const [seq, value = ''] = found?.split('=') ?? []
    const subject = typeof what === 'string' ? what : 'h'
    const message: Read['found'] =
      seq === undefined ? 'nothing' : { seq: Number(seq), value, subject }
    this.history.reads.push({ ...asked, startMs, endMs, found: message })
    return this
  }

  gone(ms: number): this {
    this.history.serverGone(ms)
    return this
  }

  end(...all: string[]): this {
    for (const one of all) {
      const [seq, ...rest] = one.split('=')
      this.final.set(Number(seq), stored(rest.join('=')))
    }
    return this
  }

  get isPossible(): boolean {
    return this.history.check(this.final).length === 0
  }
}

function stored(text: string): Stored {
  const [subject = '', value] = text.split('=')
  return value === undefined ? { subject: 'h', value: subject } : { subject, value }
}

const tale = (): Tale => new Tale()
const NEVER = Infinity

const POSSIBLE: Record<string, Tale> = {
  'nothing at all': tale(),
  'a read beside a write sees it or not': tale()
    .write(1, 0, 9, 'a')
    .get('h', 1, 2)
    .get('h', 3, 4, '1=a')
    .end('1=a'),
  'what nobody heard of was done later than all that was read': tale()
    .write(1, 0, 1, 'a')
    .write(undefined, 2, NEVER, 'b')
    .get('h', 10, 20, '1=a')
    .end('1=a', '2=b'),
  'what nobody heard of was never done': tale().write(undefined, 0, NEVER, 'a').end(),
  'what nobody heard of was done, and taken back by a roll-up, which leaves a gap': tale()
    .write(undefined, 0, NEVER, 'a')
    .write(2, 5, 6, 'b', { isRollup: true })
    .end('2=b'),
  'a refusal names what nobody else saw': tale()
    .write(undefined, 0, NEVER, 'a')
    .write(0, 2, 3, 'b', { expectedLast: 0, actual: 1 })
    .write(2, 4, 5, 'c', { isRollup: true })
    .end('2=c'),
  'a removal beside reads': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 50, 'done')
    .get(1, 10, 20, '1=a')
    .get(1, 30, 40)
    .end(),
  'one of two removals finds nothing': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 9, 'done')
    .remove(1, 3, 8, 'missing')
    .end(),
  'a removal that nobody heard of, seen done': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, NEVER)
    .get(1, 10, 20)
    .end(),
  'the one below is the newest when the newest is removed': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 3, 'b')
    .remove(2, 4, 5, 'done')
    .get('h', 6, 7, '1=a')
    .end('1=a'),
  'one of two that expect the same is refused': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 9, 'b', { expectedOnSubject: 1 })
    .write(0, 3, 8, 'c', { expectedOnSubject: 1, actual: 2 })
    .end('1=a', '2=b'),
  'a batch whose end nobody heard, as a whole': tale()
    .write(undefined, 0, NEVER, 'x=a,y=b')
    .end('1=x=a', '2=y=b'),
  'two that overlap in either order': tale()
    .write(2, 0, 9, 'a')
    .write(1, 1, 8, 'b')
    .end('1=b', '2=a'),
}

const IMPOSSIBLE: Record<string, Tale> = {
  'a later read sees an older value': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 100, 'b')
    .get('h', 10, 20, '2=b')
    .get('h', 30, 40, '1=a')
    .end('1=a', '2=b'),
  'a value that was read is lost in a crash': tale()
    .write(1, 0, 1, 'a')
    .write(undefined, 2, NEVER, 'b')
    .get('h', 10, 20, '2=b')
    .end('1=a'),
  'found, then nothing, then found again': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 100, 'done')
    .get(1, 10, 20)
    .get(1, 30, 40, '1=a')
    .end(),
  'seen removed, and back in the end': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, NEVER)
    .get(1, 10, 20)
    .end('1=a'),
  'two that expected the same': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 50, 'b', { expectedOnSubject: 1 })
    .write(3, 2, 50, 'c', { expectedOnSubject: 1 })
    .end('1=a', '2=b', '3=c'),
  'refused for being where it was expected': tale()
    .write(1, 0, 1, 'a')
    .write(0, 2, 3, 'b', { expectedLast: 1, actual: 1 })
    .end('1=a'),
  'refused for what was written later': tale()
    .write(0, 2, 3, 'b', { expectedLast: 0, actual: 1 })
    .write(1, 4, 5, 'a')
    .end('1=a'),
  'refused for what never was': tale().write(0, 2, 3, 'b', { expectedLast: 0, actual: 7 }).end(),
  'an answered write is lost': tale().write(1, 0, 1, 'a').write(2, 2, 3, 'b').end('1=a'),
  'an answered removal is undone': tale().write(1, 0, 1, 'a').remove(1, 2, 3, 'done').end('1=a'),
  'an answered removal is undone for a moment': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 3, 'done')
    .get('h', 4, 5, '1=a')
    .end(),
  'two removals of one message': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 9, 'done')
    .remove(1, 3, 8, 'done')
    .end(),
  'a removal finds nothing where something is': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, 3, 'missing')
    .end('1=a'),
  'a read of what nobody wrote': tale().get('h', 0, 1, '1=a').end(),
  'a read of what was refused': tale()
    .write(0, 0, 9, 'a', { expectedLast: 3, actual: 0 })
    .get('h', 1, 2, '1=a')
    .end(),
  'a read before it was written': tale().get('h', 0, 1, '1=a').write(1, 2, 3, 'a').end('1=a'),
  'nothing read of what was answered': tale().write(1, 0, 1, 'a').get('h', 2, 3).end('1=a'),
  'in the wrong order': tale().write(2, 0, 1, 'a').write(1, 2, 3, 'b').end('1=b', '2=a'),
  'half of a batch': tale().write(undefined, 0, NEVER, 'x=a,y=b').end('1=x=a'),
  'half of a batch for a moment': tale()
    .write(2, 0, 9, 'x=a,y=b')
    .get('x', 1, 2, '1=a')
    .get('y', 3, 4)
    .end('1=x=a', '2=y=b'),
  'a batch with another message in it': tale()
    .write(3, 0, 9, 'a,b')
    .write(2, 0, 9, 'c')
    .end('1=a', '2=c', '3=b'),
  'a roll-up that leaves what is before it': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 3, 'b', { isRollup: true })
    .end('1=a', '2=b'),
  'a roll-up seen half done': tale()
    .write(1, 0, 1, 'a')
    .write(2, 2, 30, 'b', { isRollup: true })
    .get('h', 4, 5, '2=b')
    .get(1, 6, 7, '1=a')
    .end('2=b'),
  'a gap that nothing explains': tale().write(1, 0, 1, 'a').write(3, 2, 3, 'b').end('1=a', '3=b'),
  'done after the server was gone': tale()
    .write(1, 0, 1, 'a')
    .remove(1, 2, NEVER)
    .gone(10)
    .get(1, 11, 12, '1=a')
    .end(),
  'one sequence for two': tale().write(1, 0, 1, 'a').write(1, 2, 3, 'b').end('1=b'),
  'another value than was written': tale().write(1, 0, 1, 'a').end('1=b'),
}

describe('the order of a history', () => {
  for (const [what, { history, final }] of Object.entries(POSSIBLE)) {
    it(`can be: ${what}`, () => assert.deepEqual(history.check(final), []))
  }

  for (const [what, one] of Object.entries(IMPOSSIBLE)) {
    it(`cannot be: ${what}`, () => assert.equal(one.isPossible, false))
  }

  it(`is found for whatever a stream does (SEED=${seed})`, () => {
    for (let i = 0; i < HISTORIES; i++) {
      const { history, final } = drawHistory(new SeededRandom(seed + i))
      assert.deepEqual(history.check(final), [], `SEED=${seed + i}`)
    }
  })

  for (const falsehood of Object.keys(FALSEHOODS) as Falsehood[]) {
    it(`is mostly not found with ${falsehood} (SEED=${seed})`, () => {
      let rejected = 0
      let told = 0
      for (let i = 0; told < FALSE_HISTORIES; i++) {
        assert.ok(i < FALSE_HISTORIES * 20, `${told} of ${i} had room for it`)
        const random = new SeededRandom(seed + i)
        const drawn = drawHistory(random)
        if (!falsify(falsehood, drawn, random)) continue
        told++
        if (drawn.history.check(drawn.final).length > 0) rejected++
      }
      assert.ok(rejected > told * FALSEHOODS[falsehood], `${rejected} of ${told} were found out`)
    })
  }
})
