import assert from 'node:assert/strict'
import type { PublishCommitted } from '../../../shared/broker/index.ts'
import { accountConfig, exported, imported } from '../../support/account-configs.ts'
import { ImportWorld } from '../../support/import-world.ts'
import { RecordingLink, RecordingPeer } from '../../support/recording-peer.ts'

function world(to: string, from = 'plant.*.temp'): ImportWorld {
  return new ImportWorld([
    accountConfig('A', { exports: [exported('stream', '>')] }),
    accountConfig('B', { imports: [imported('stream', 'A', from, to)] }),
  ])
}

describe('stream imports', () => {
  const publisher = new RecordingPeer('local')

  for (const [to, local, there, shown] of [
    ['plant.*.temp', 'plant.1.temp', 'plant.1.temp', 'plant.1.temp'],
    ['plant.*.temp', 'plant.>', 'plant.*.temp', 'plant.1.temp'],
    ['plant.*.temp', '*.*.*', 'plant.*.temp', 'plant.1.temp'],
    ['plant.*.temp', '>', 'plant.*.temp', 'plant.1.temp'],
    ['from.a.plant.*.temp', 'from.>', 'plant.*.temp', 'from.a.plant.1.temp'],
    ['from.a.plant.*.temp', 'from.*.plant.1.>', 'plant.1.temp', 'from.a.plant.1.temp'],
    ['temps.$1', 'temps.1', 'plant.1.temp', 'temps.1'],
    ['temps.{{wildcard(1)}}', 'temps.*', 'plant.*.temp', 'temps.1'],
    ['temps.*', '*.1', 'plant.1.temp', 'temps.1'],
  ] as const) {
    it(`subscription ${local} of an import to ${to} hears ${shown}`, () => {
      const w = world(to)
      const peer = new RecordingPeer('mqtt')
      const subscription = w.space('B').subscribe(peer, { subject: local, sid: '7' })
      assert.deepEqual(w.subjects('A'), [there])
      assert.equal(w.publish('A', publisher, 'plant.1.temp', { reply: 'back' }), 1)
      assert.equal(w.publish('A', publisher, 'plant.1.other'), 0)
      assert.equal(peer.got.length, 1)
      const { subject, shown: seen, reply, payload, sid } = peer.got[0]!
      assert.deepEqual([subject, seen, reply, payload, sid], [shown, shown, 'back', 'hello', '7'])
      w.space('B').unsubscribe(subscription)
      assert.deepEqual(w.subjects('A'), [])
      assert.equal(w.publish('A', publisher, 'plant.1.temp'), 0)
    })
  }

  it('leaves subscriptions alone that overlap no import', () => {
    const w = world('temps.$1')
    w.space('B').subscribe(new RecordingPeer('local'), { subject: 'plant.>' })
    w.space('B').subscribe(new RecordingPeer('local'), { subject: 'temps.1.2' })
    assert.deepEqual(w.subjects('A'), [])
  })

  it('keeps both sides literal when the import is', () => {
    const w = world('x.y', 'plant.1.temp')
    const peer = new RecordingPeer('local')
    w.space('B').subscribe(peer, { subject: 'x.>' })
    w.publish('A', publisher, 'plant.1.temp')
    assert.deepEqual(
      peer.got.map(({ subject }) => subject),
      ['x.y'],
    )
  })

  it('serves a queue group of the importing account once', () => {
    const w = world('temps.$1')
    const members = [1, 2, 3].map(() => new RecordingPeer('local'))
    for (const peer of members) w.space('B').subscribe(peer, { subject: 'temps.>', queue: 'q' })
    for (let i = 0; i < 30; i++) assert.equal(w.publish('A', publisher, `plant.${i}.temp`), 1)
    const counts = members.map(({ got }) => got.length)
    assert.equal(
      counts.reduce((a, b) => a + b),
      30,
    )
    assert.ok(
      counts.every((count) => count > 0),
      `${counts}`,
    )
  })

  it('tells links of the exporting account, and sends a link of the importing one a message once', () => {
    const w = world('temps.$1')
    const leaf = new RecordingLink('leaf')
    for (const subject of ['temps.*', 'temps.>', 'temps.1']) {
      w.space('B').subscribe(leaf, { subject })
    }
    assert.equal(w.publish('A', publisher, 'plant.1.temp'), 1)
    assert.deepEqual(
      leaf.got.map(({ subject, plain }) => [subject, plain]),
      [['temps.1', true]],
    )
    w.space('B').subscribe(leaf, { subject: 'temps.9', queue: 'workers' })
    w.publish('A', publisher, 'plant.9.temp')
    assert.deepEqual(leaf.got[1]?.queues, ['workers'])
  })

  it('shows a stored message under the subject it was stored with', () => {
    const w = world('inbox.$1', 'deliver.*')
    const peer = new RecordingPeer('local')
    w.space('B').subscribe(peer, { subject: 'inbox.x' })
    w.publish('A', publisher, 'deliver.x', { shown: 'plant.1' })
    assert.deepEqual([peer.got[0]?.subject, peer.got[0]?.shown], ['inbox.x', 'plant.1'])
  })

  it('lets a capture of the importing account acknowledge', () => {
    const w = world('temps.$1')
    const capture = new RecordingPeer('local')
    let owed: PublishCommitted | undefined
    capture.onDeliver = (_subscription, message) => {
      owed = message.takeCommitted()
    }
    w.space('B').subscribe(capture, { subject: 'temps.>', isCapture: true })
    let committed = 0
    const options = { committed: () => void committed++ }
    w.publish('A', publisher, 'plant.1.temp', {}, options)
    assert.equal(committed, 0)
    owed?.(undefined)
    assert.equal(committed, 1)
    assert.equal(w.publish('A', publisher, 'plant.1.temp', {}, { capture: false }), 0)
  })

  it('does not import what is imported', () => {
    const w = new ImportWorld([
      accountConfig('A', { exports: [exported('stream', 'x.>')] }),
      accountConfig('B', {
        exports: [exported('stream', 'x.>')],
        imports: [imported('stream', 'A', 'x.>')],
      }),
      accountConfig('C', { imports: [imported('stream', 'B', 'x.>')] }),
    ])
    w.space('C').subscribe(new RecordingPeer('local'), { subject: 'x.1' })
    assert.deepEqual(w.subjects('B'), ['x.1'])
    assert.deepEqual(w.subjects('A'), [])
  })

  it('follows the configuration, and leaves what has not changed alone', () => {
    const w = world('temps.$1')
    const peer = new RecordingPeer('local')
    w.space('B').subscribe(peer, { subject: '>' })
    const [before] = w.space('A').subscriptions()
    const a = accountConfig('A', { exports: [exported('stream', '>')] })
    const first = imported('stream', 'A', 'plant.*.temp', 'temps.$1')
    const second = imported('stream', 'A', 'more.>')
    w.book.update([a, accountConfig('B', { imports: [first, second] })], '', 0)
    assert.deepEqual(w.subjects('A'), ['more.>', 'plant.*.temp'])
    assert.ok([...w.space('A').subscriptions()].includes(before!))
    w.book.update([a, accountConfig('B', { imports: [second] })], '', 0)
    assert.deepEqual(w.subjects('A'), ['more.>'])
    w.book.update([accountConfig('A'), accountConfig('B', { imports: [second] })], '', 0)
    assert.deepEqual(w.subjects('A'), [])
    assert.equal(w.warnings.at(-1)?.['reason'], 'stream import not authorized')
    w.book.update([a, accountConfig('B', { imports: [second] })], '', 0)
    assert.deepEqual(w.subjects('A'), ['more.>'])
    w.imports.destroy()
    assert.deepEqual(w.subjects('A'), [])
  })
})
