import assert from 'node:assert/strict'
import { codeOf, SeededRandom } from '../../../../shared/runtime/index.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'
import { eventually } from '../../../support/link-node.ts'
import { RetainedScene, shownAs } from '../../../support/retained-scene.ts'

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SUBJECTS = ['a', 'a.b', 'a.b.c', 'a.d', 'b', 'b.a', '$x', '$x.a', '/.a', 'a./']
const FILTERS = ['#', 'a/#', 'a', '+', '+/a', 'a/+', '$x/#', '+/#', 'a/b/c', 'none']

/** Both keep the same promises, but for what a restart leaves. */
for (const kind of ['journal', 'memory'] as const) {
  describe(`retained messages, ${kind}`, () => {
    let scene: RetainedScene

    beforeEach(async () => {
      scene = await RetainedScene.open(kind)
    })

    afterEach(() => scene.remove())

    it('are the newest of each subject', async () => {
      await scene.set('a', '1', 'NATS/1.0\r\nPetiole-Qos: 1\r\n\r\n')
      await scene.set('b', '2')
      await scene.set('a', '3', 'NATS/1.0\r\nPetiole-Qos: 2\r\n\r\n')
      assert.equal(scene.retained.count, 2)
      const [a, b] = [...(await scene.messages())].sort((x, y) => (x.subject < y.subject ? -1 : 1))
      assert.deepEqual(
        [a, b].map((message) => shownAs(message!)),
        ['a=3', 'b=2'],
      )
      assert.equal(Buffer.from(a!.headers).toString(), 'NATS/1.0\r\nPetiole-Qos: 2\r\n\r\n')
      assert.equal(Buffer.from(a!.subjectBytes).toString(), 'a')
      assert.equal(b!.headers.length, 0)
      assert.equal(a!.expirySeconds, -1)
    })

    it('end with an empty message [MQTT-3.3.1-6]', async () => {
      await scene.set('a', '1')
      await scene.set('b', '2')
      const { bytes } = scene.retained
      await scene.set('a', '')
      assert.deepEqual(await scene.replayed(), ['b=2'])
      assert.equal(scene.retained.count, 1)
      assert.ok(scene.retained.bytes > 0 && scene.retained.bytes < bytes)
      await scene.set('never', '')
      const gone = new Promise<void>((resolve) => {
        assert.ok(scene.retained.remove(Buffer.from('b'), () => resolve()))
      })
      await gone
      assert.equal(scene.retained.remove(Buffer.from('b')), false)
      assert.equal(scene.retained.count, 0)
      assert.equal(scene.retained.bytes, 0)
      await scene.set('a', '3')
      assert.deepEqual(await scene.replayed(), ['a=3'])
    })

    it('are seen before they are on disk, and gone before that, too', async () => {
      const done = [scene.set('a', '1'), scene.set('b', '1')]
      const first = scene.replayed()
      done.push(scene.set('a', ''), scene.set('b', '2'))
      assert.deepEqual(await scene.replayed(), ['b=2'])
      assert.ok(!(await first).includes('a=1'), 'the subscription was told of its end')
      await Promise.all(done)
      assert.deepEqual(await scene.replayed(), ['b=2'])
      assert.equal(scene.retained.count, 1)
    })

    it('that come after the subscription are not for its replay', async () => {
      await scene.set('a', '1')
      await scene.set('b', '1')
      const replay = scene.replay('#')
      const done = [scene.set('a', '2'), scene.set('c', '2')]
      assert.deepEqual((await replay.next(10)).map(shownAs), ['b=1'])
      assert.deepEqual(await replay.next(10), [])
      await Promise.all(done)
    })

    it('that are replaced while a replay runs are not sent behind what replaced them', async () => {
      for (let i = 0; i < 30; i++) await scene.set(`s.${i}`, 'old')
      const replay = scene.replay('#')
      const seen: string[] = []
      const replaced = new Set<string>()
      for (let page = 0; ; page++) {
        const messages = await replay.next(4)
        if (messages.length === 0) break
        seen.push(...messages.map(({ subject }) => subject))
        for (const { subject } of messages) assert.ok(!replaced.has(subject), subject)
        const subject = `s.${29 - page}`
        if (page % 2 === 0) await scene.set(subject, page % 4 === 0 ? 'new' : '')
        else void scene.set(subject, 'new')
        replaced.add(subject)
      }
      assert.equal(new Set(seen).size, seen.length)
      assert.ok(seen.length < 30, `${seen.length}`)
    })

    it('beginning with $ are not for filters that begin with a wildcard [MQTT-4.7.2-1]', async () => {
      await scene.set('$x.a', '1')
      await scene.set('y.a', '2')
      assert.deepEqual(await scene.replayed('#'), ['y.a=2'])
      assert.deepEqual(await scene.replayed('+/a'), ['y.a=2'])
      assert.deepEqual(await scene.replayed('$x/#'), ['$x.a=1'])
      assert.deepEqual(await scene.replayed('$x/a'), ['$x.a=1'])
    })

    it('are replayed once for a filter that stands for two subjects', async () => {
      await scene.set('a', '1')
      await scene.set('a.b', '2')
      await scene.set('ab', '3')
      assert.deepEqual(await scene.replayed('a/#'), ['a.b=2', 'a=1'])
      assert.deepEqual(await scene.replayed('a/#', 1), ['a.b=2', 'a=1'])
    })

    it('are refused above the limit, and those that are kept stay', async () => {
      await scene.remove()
      scene = await RetainedScene.open(kind, { messagesMax: 2 })
      await scene.set('a', '1')
      await scene.set('b', '1')
      const isFull = (error: unknown) => codeOf(error) === 'PETIOLE_RETAINED_FULL'
      await assert.rejects(scene.set('c', '1'), isFull)
      await scene.set('b', '2')
      assert.deepEqual(await scene.replayed(), ['a=1', 'b=2'])
      await scene.set('c', '')
      await scene.set('a', '')
      await scene.set('c', '3')
      assert.deepEqual(await scene.replayed(), ['b=2', 'c=3'])
    })

    it('are none when none are allowed', async () => {
      await scene.remove()
      for (const limits of [{ messagesMax: 0 }, { bytesMax: 0 }]) {
        scene = await RetainedScene.open(kind, limits)
        const isFull = (error: unknown) => codeOf(error) === 'PETIOLE_RETAINED_FULL'
        await assert.rejects(scene.set('a', '1'), isFull)
        await scene.set('a', '')
        assert.equal(scene.retained.count, 0)
        await scene.remove()
      }
    })

    it('are refused above the limit of bytes', async () => {
      await scene.remove()
      scene = await RetainedScene.open(kind, { bytesMax: 1_000 })
      await scene.set('a', 'x'.repeat(600))
      const isFull = (error: unknown) => codeOf(error) === 'PETIOLE_RETAINED_FULL'
      await assert.rejects(scene.set('b', 'x'.repeat(600)), isFull)
      await scene.set('a', 'y'.repeat(500))
      await scene.set('b', 'x'.repeat(300))
      assert.equal(scene.retained.count, 2)
      assert.ok(scene.retained.bytes <= 1_000)
      await assert.rejects(scene.set('b', 'x'.repeat(800)), isFull)
      await scene.set('a', '')
      await scene.set('b', '')
      await scene.set('b', 'x'.repeat(800))
    })

    it('say what is left of their time [MQTT-3.3.2-6]', async () => {
      await scene.setExpiring('a', '1', 60)
      await scene.set('b', '1')
      const left = async () =>
        Object.fromEntries(
          (await scene.messages()).map((each) => [each.subject, each.expirySeconds]),
        )
      assert.deepEqual(await left(), { a: 60, b: -1 })
      scene.clock.advance(12_300)
      assert.deepEqual(await left(), { a: 48, b: -1 })
      scene.clock.advance(47_600)
      assert.deepEqual(await left(), { a: 1, b: -1 })
      scene.clock.advance(100)
      assert.deepEqual(await left(), { b: -1 })
    })

    it('go by themselves when their time is over', async () => {
      for (let i = 0; i < 600; i++) void scene.setExpiring(`a.${i}`, '1', 5 + (i % 3))
      await scene.setExpiring('later', '1', 3_600)
      await scene.set('b', '1')
      await scene.setExpiring('b', '2', 5)
      await scene.set('b', '3')
      assert.equal(scene.retained.count, 602)
      await eventually(() => {
        scene.clock.advance(1_000)
        return scene.retained.count === 2
      }, 'only those are left that are to stay')
      assert.deepEqual(await scene.replayed(), ['b=3', 'later=1'])
      assert.ok(scene.clock.monotonicMs() < 3_000_000)
    })

    it('of no time at all are as empty ones', async () => {
      await scene.set('a', '1')
      await scene.setExpiring('a', '2', 0)
      assert.equal(scene.retained.count, 0)
      assert.deepEqual(await scene.replayed(), [])
    })

    it('belong to their account', async () => {
      await scene.set('a', '1')
      assert.equal(scene.stores.of('B').count, 0)
      const replay = scene.stores.of('B').replay([new SubjectFilter('>')], false)
      assert.deepEqual(await replay.next(10), [])
      assert.equal(scene.stores.of('A'), scene.retained)
      assert.deepEqual([...scene.stores.all.keys()], ['A', 'B'])
    })

    it('are listed, some of them', async () => {
      for (let i = 0; i < 10; i++) await scene.set(`$a.${i}`, `${i}`)
      const listed = await scene.retained.list(new SubjectFilter('>'), 3)
      assert.deepEqual(listed.map(shownAs), ['$a.0=0', '$a.1=1', '$a.2=2'])
      assert.ok(listed.every(({ storedMs }) => storedMs === scene.clock.wallMs()))
      assert.equal((await scene.retained.list(new SubjectFilter('$a.*'), 300)).length, 10)
    })

    it('keep what they were given though its memory is used again', async () => {
      const bytes = Buffer.from('payload')
      const done = new Promise<void>((resolve) => {
        scene.retained.set(bytes.subarray(0, 3), bytes.subarray(7), bytes, () => resolve())
      })
      bytes.fill('x')
      await done
      assert.deepEqual(await scene.replayed(), ['pay=payload'])
    })

    it(`are those of a map, whatever comes (seed=${seed})`, async () => {
      const model = new Map<string, string>()
      for (let run = 0; run < 12; run++) {
        const random = new SeededRandom(seed + run)
        const pick = (from: readonly string[]): string => from[random.below(from.length)] ?? ''
        const waiting: Promise<void>[] = []
        for (let i = 0; i < 60; i++) {
          const subject = pick(SUBJECTS)
          const payload = random.below(3) === 0 ? '' : `${run}-${i}`
          waiting.push(scene.set(subject, payload))
          if (payload === '') model.delete(subject)
          else model.set(subject, payload)
          if (random.below(4) > 0) continue
          const filter = pick(FILTERS)
          const matches = matcherOf(filter)
          const expected = [...model]
            .filter(([each]) => matches(each))
            .map((each) => each.join('='))
          const what = `seed=${seed + run} ${i} ${filter}`
          assert.deepEqual(await scene.replayed(filter, 1 + random.below(5)), expected.sort(), what)
        }
        await Promise.all(waiting)
        assert.equal(scene.retained.count, model.size)
        if (kind === 'journal' && random.below(2) === 0) await scene.restart()
      }
    })
  })
}

/** MQTT's rules, on subjects whose empty levels are `/`. */
function matcherOf(filter: string): (subject: string) => boolean {
  const levels = filter.split('/')
  return (subject) => {
    const tokens = subject.split('.')
    if (subject.startsWith('$') && /^[+#]/.test(filter)) return false
    for (const [i, level] of levels.entries()) {
      if (level === '#') return true
      if (i >= tokens.length || (level !== '+' && level !== tokens[i])) return false
      if (i + 1 === tokens.length && levels[i + 1] === '#' && i + 2 === levels.length) return true
    }
    return tokens.length === levels.length
  }
}
