import assert from 'node:assert/strict'
import { RetainedStores } from '../../../../bridge-mqtt/retained/index.ts'
import { PAGES_AT_ONCE } from '../../../../bridge-mqtt/retained/limits.ts'
import { PageLine } from '../../../../bridge-mqtt/retained/page-line.ts'
import { silentLog } from '../../../../shared/log/index.ts'
import { PetioleError, SeededRandom } from '../../../../shared/runtime/index.ts'
import { openStore } from '../../../../shared/store/index.ts'
import { SubjectFilter } from '../../../../shared/subject/index.ts'
import { SimDisk } from '../../../sim/index.ts'
import { eventually } from '../../../support/link-node.ts'
import { RetainedScene, shownAs } from '../../../support/retained-scene.ts'
import { StoreClock } from '../../../support/store-clock.ts'

const HOUR_MS = 3_600_000
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))

describe('retained messages on disk', () => {
  let scene: RetainedScene

  beforeEach(async () => {
    scene = await RetainedScene.open('journal')
  })

  afterEach(() => scene.remove())

  it('are there after a restart, with their headers', async () => {
    await scene.set('a', '1', 'NATS/1.0\r\nMqtt-Content-Type: x\r\n\r\n')
    await scene.set('b', '2')
    await scene.set('c', '3')
    await scene.set('b', '')
    await scene.restart()
    assert.deepEqual([...scene.stores.all.keys()], ['A'])
    assert.deepEqual(await scene.replayed(), ['a=1', 'c=3'])
    assert.equal(scene.retained.count, 2)
    const [a] = await scene.messages('a')
    assert.equal(Buffer.from(a!.headers).toString(), 'NATS/1.0\r\nMqtt-Content-Type: x\r\n\r\n')
  })

  it('are those of their account after a restart, whatever it is called', async () => {
    const names = ['A', 'a/b', 'ä %:', 'mqtt-retained:']
    for (const name of names) {
      await new Promise<void>((resolve) => {
        const retained = scene.stores.of(name)
        retained.set(Buffer.from('s'), Buffer.alloc(0), Buffer.from(name), () => resolve())
      })
    }
    await scene.restart()
    assert.deepEqual([...scene.stores.all.keys()], names)
    for (const name of names) {
      const listed = await scene.stores.of(name).list(new SubjectFilter('>'), 10)
      assert.deepEqual(listed.map(shownAs), [`s=${name}`])
    }
  })

  it('go on losing their time while the server is away', async () => {
    await scene.setExpiring('a', '1', 3_600)
    await scene.setExpiring('b', '1', 60)
    await scene.stop()
    scene.clock.wall += HOUR_MS / 2
    await scene.start()
    assert.deepEqual(
      (await scene.messages()).map(({ expirySeconds }) => expirySeconds),
      [1_800],
    )
    await eventually(() => {
      scene.clock.advance(1_000)
      return scene.retained.count === 1
    }, 'what was over at the start is removed')
    await eventually(() => {
      scene.clock.advance(60_000)
      return scene.retained.count === 0
    }, 'the other goes when its time is over')
  })

  it('do not go because a clock jumps', async () => {
    await scene.setExpiring('a', '1', 60)
    scene.clock.advance(10_000)
    scene.clock.wall += 24 * HOUR_MS
    scene.clock.advance(20_000)
    assert.deepEqual(
      (await scene.messages()).map(({ expirySeconds }) => expirySeconds),
      [30],
    )
    scene.clock.wall -= 48 * HOUR_MS
    scene.clock.advance(10_000)
    assert.deepEqual(
      (await scene.messages()).map(({ expirySeconds }) => expirySeconds),
      [60],
    )
    assert.equal(scene.retained.count, 1)
  })

  it('that were stored before the clock knew the time lose none of theirs when it learns it', async () => {
    scene.clock.wall = 1_000
    await scene.restart()
    await scene.setExpiring('a', '1', 3_600)
    scene.clock.advance(10_000)
    assert.deepEqual(
      (await scene.messages()).map(({ expirySeconds }) => expirySeconds),
      [3_600],
    )
    scene.clock.wall = Date.UTC(2031, 0, 1)
    assert.deepEqual(
      (await scene.messages()).map(({ expirySeconds }) => expirySeconds),
      [3_600],
    )
    await scene.set('b', 'tells the store the time')
    scene.clock.advance(60_000)
    await scene.restart()
    assert.deepEqual(
      (await scene.messages('a')).map(({ expirySeconds }) => expirySeconds),
      [3_530],
    )
    scene.clock.advance(3_600_000)
    assert.equal(scene.retained.count, 1)
  })

  it('are not what a transaction that throws has set', async () => {
    const boom = new PetioleError('PETIOLE_STORE_FULL', 'for the test')
    const attempt = (subject: string, payload: string): void => {
      assert.throws(
        () =>
          scene.store?.transaction(() => {
            scene.retained.set(Buffer.from(subject), Buffer.alloc(0), Buffer.from(payload))
            throw boom
          }),
        (error) => error === boom,
      )
    }
    attempt('a', 'never')
    assert.deepEqual(await scene.replayed(), [])
    await scene.set('a', '1')
    attempt('a', 'never')
    assert.deepEqual(await scene.replayed(), ['a=1'])
    attempt('a', '')
    attempt('b', 'never')
    await scene.set('c', '2')
    assert.deepEqual(await scene.replayed(), ['a=1', 'c=2'])
    await scene.set('a', '')
    await scene.set('b', '3')
    assert.deepEqual(await scene.replayed(), ['b=3', 'c=2'])
    const waiting = scene.set('d', '4')
    attempt('d', 'never')
    await Promise.all([waiting, scene.set('d', '')])
    assert.deepEqual(await scene.replayed(), ['b=3', 'c=2'], 'what was on its way is removed')
  })

  it('are part of a transaction', async () => {
    const done = new Promise<void>((resolve) => {
      scene.store?.transaction(() => {
        scene.retained.set(Buffer.from('a'), Buffer.alloc(0), Buffer.from('1'), () => resolve())
        scene.store?.marks.set('mark', Buffer.from('1'))
      })
    })
    await done
    await scene.restart()
    assert.deepEqual(await scene.replayed(), ['a=1'])
    assert.ok(scene.store?.marks.get('mark'))
  })

  it('keep to limits that were changed', async () => {
    for (const subject of ['a', 'b', 'c']) await scene.set(subject, '1')
    scene.limits = { messagesMax: 2 }
    await scene.restart()
    assert.equal(scene.retained.count, 3, 'what is kept stays')
    await scene.set('b', '')
    await assert.rejects(scene.set('d', '1'))
    await scene.set('a', '2')
    assert.deepEqual(await scene.replayed(), ['a=2', 'c=1'])
  })

  it('are taken up anew after their stream was removed', async () => {
    await scene.set('a', '1')
    const [name = ''] = [...(scene.store?.streams.keys() ?? [])]
    assert.ok(!name.includes('/'), 'it is no stream of JetStream')
    scene.store?.removeStream(name)
    assert.equal(scene.retained.count, 0)
    assert.deepEqual(await scene.replayed(), [])
    await scene.set('b', '1')
    assert.deepEqual(await scene.replayed(), ['b=1'])
    // Its last sequences are still on their way when they are given out again.
    const ending = scene.set('b', '')
    scene.store?.removeStream(name)
    await Promise.all([scene.set('c', '1'), scene.set('d', '2'), ending])
    assert.deepEqual(await scene.replayed(), ['c=1', 'd=2'])
    await scene.restart()
    assert.deepEqual(await scene.replayed(), ['c=1', 'd=2'])
  })

  it('are replayed in pages of limited size, however many there are', async function () {
    this.timeout(60_000)
    const waiting: Promise<void>[] = []
    for (let i = 0; i < 3_000; i++) {
      waiting.push(scene.set(`dev.${i}.state`, `${i}`.padEnd(i % 100 === 0 ? 40_000 : 20)))
    }
    await Promise.all(waiting)
    for (const filter of ['#', 'dev/+/state', 'dev/#']) {
      const replay = scene.replay(filter)
      const seen = new Set<string>()
      for (;;) {
        const page = await replay.next(500)
        if (page.length === 0) break
        assert.ok(page.length <= 500)
        const bytes = page.reduce((sum, { payload }) => sum + payload.length, 0)
        assert.ok(bytes <= 64 * 1024 + 40_000, `${bytes}`)
        for (const { subject } of page) seen.add(subject)
      }
      assert.equal(seen.size, 3_000, filter)
    }
    assert.deepEqual(
      (await scene.messages('dev/77/#', 1)).map(shownAs).map((text) => text.trimEnd()),
      ['dev.77.state=77'],
    )
  })

  it(`go on where a replay was cut, each once (seed=${seed})`, async function () {
    this.timeout(60_000)
    const waiting: Promise<void>[] = []
    for (let i = 0; i < 1_200; i++) waiting.push(scene.set(`dev.${i}.state`, `${i}`))
    for (const subject of ['dev', 'one.a', 'one.b', 'one']) waiting.push(scene.set(subject, 'x'))
    await Promise.all(waiting)
    for (let run = 0; run < 10; run++) {
      const random = new SeededRandom(seed + run)
      for (const filter of ['#', 'dev/#', '+/#', 'dev/+/state', 'one/#']) {
        const where = `seed=${seed + run} ${filter}`
        const seen: string[] = []
        let replay = scene.replay(filter)
        for (;;) {
          const page = await replay.next(1 + random.below(500))
          if (page.length === 0) break
          seen.push(...page.map(({ subject }) => subject))
          if (random.below(3) > 0) replay = scene.replay(filter, replay.position)
        }
        const all = (await scene.messages(filter)).map(({ subject }) => subject)
        assert.deepEqual(seen.sort(), all.sort(), where)
      }
    }
  })

  it('that came after a replay was cut are among the rest of it, and told from the others', async () => {
    for (const subject of ['a', 'b', 'c']) await scene.set(subject, '1')
    const cut = scene.replay('#')
    assert.deepEqual((await cut.next(1)).map(shownAs), ['a=1'])
    const { position } = cut
    assert.ok(position)
    await scene.set('a', '2')
    await scene.set('b', '2')
    const rest = await scene.replay('#', position).next(10)
    assert.deepEqual(
      rest.map((it) => [shownAs(it), it.seq > position.throughSeq]),
      [
        ['c=1', false],
        ['a=2', true],
        ['b=2', true],
      ],
    )
    scene.store?.removeStream([...scene.store.streams.keys()][0] ?? '')
    await scene.set('d', '1')
    const anew = await scene.replay('#', position).next(10)
    assert.deepEqual(anew.map(shownAs), ['d=1'], 'of another stream all of it')
  })

  it('of one topic are found without going through those of others', async () => {
    await scene.set('a.b', '1')
    await scene.set('a.c', '2')
    const stream = [...(scene.store?.streams.values() ?? [])][0]!
    stream.lastSeqsInTurns = () => assert.fail('all subjects were gone through')
    assert.deepEqual(await scene.replayed('a/b'), ['a.b=1'])
    assert.deepEqual(await scene.replayed('a/d'), [])
    await assert.rejects(scene.replayed('a/#'))
  })

  it('of few subjects are read in pages of limited size, too', async () => {
    for (let i = 0; i < 20; i++) await scene.set(`a.${i}`, 'x'.repeat(20_000))
    const replay = scene.replay('#')
    const sizes: number[] = []
    for (let page = await replay.next(100); page.length > 0; page = await replay.next(100)) {
      sizes.push(page.length)
    }
    assert.deepEqual(sizes, [8, 8, 4])
  })

  it('that the disk could not take are not there, and what they were to replace is', async () => {
    const random = new SeededRandom(1)
    const disk = new SimDisk({ random })
    disk.quotaBytes = 12 * 1024 * 1024
    const clock = new StoreClock()
    const store = await openStore({ directory: '/d', clock, random, disk, log: silentLog })
    const stores = await RetainedStores.open({ store, clock })
    const retained = stores.of('A')
    const set = (subject: string, payload: Uint8Array) =>
      new Promise<void>((resolve, reject) => {
        retained.set(Buffer.from(subject), Buffer.alloc(0), payload, (error) =>
          error === undefined ? resolve() : reject(error),
        )
      })
    await set('a', Buffer.from('1'))
    let stored = 0
    await assert.rejects(async () => {
      for (; stored < 100; stored++) await set(`b.${stored}`, Buffer.alloc(256 * 1024, 1))
    })
    await assert.rejects(set('a', Buffer.alloc(256 * 1024, 2)))
    const messages = await retained.replay([new SubjectFilter('a')], false).next(10)
    assert.deepEqual(messages.map(shownAs), ['a=1'])
    assert.equal(retained.count, stored + 1)
    stores.close()
    await store.destroy()
  })
})

describe('line of pages', () => {
  it('lets some read at a time, and all in the end', async () => {
    const line = new PageLine()
    let reading = 0
    let most = 0
    const reads = Array.from({ length: 5 * PAGES_AT_ONCE }, (_, i) =>
      line
        .read(async () => {
          most = Math.max(most, ++reading)
          await new Promise<void>((resolve) => setImmediate(resolve))
          reading--
          if (i % 3 === 0) throw new Error('unreadable')
          return i
        })
        .catch(() => -1),
    )
    assert.equal((await Promise.all(reads)).filter((i) => i >= 0).length, 53)
    assert.equal(most, PAGES_AT_ONCE)
  })
})
