import assert from 'node:assert/strict'
import {
  BridgedTopics,
  InboundTopics,
  OutboundTopics,
} from '../../../../bridge-mqtt/remotes/bridged-topics.ts'

type Parts = Partial<ConstructorParameters<typeof BridgedTopics>[0]>

function entry(filter: string, rest: Parts = {}): BridgedTopics {
  return new BridgedTopics({ filter, qos: 1, prefix: '', remote_prefix: '', ...rest })
}

describe('mqtt remotes: topics', () => {
  function inbound(entries: readonly BridgedTopics[], topic: string): string | undefined {
    const bytes = Buffer.from(topic)
    const topics = new InboundTopics(entries)
    const found = topics.subjectOf(bytes, 0, bytes.length)
    const again = topics.subjectOf(bytes, 0, bytes.length)
    assert.equal(again, found, 'what is remembered is the same')
    return found === undefined ? undefined : Buffer.from(found).toString()
  }

  function outbound(of: BridgedTopics, subject: string): string | undefined {
    const bytes = Buffer.from(subject)
    const found = of.matchesHere(bytes) ? new OutboundTopics(of).of(bytes) : undefined
    return found === undefined ? undefined : Buffer.from(found).toString()
  }

  const arriving: readonly (readonly [string, Parts, string, string | undefined])[] = [
    ['plant/#', {}, 'plant/a/b', 'plant.a.b'],
    ['plant/#', {}, 'plant', 'plant'],
    ['plant/#', {}, 'plants', undefined],
    ['+/temp', { prefix: 'site/7/' }, 'a/temp', 'site.7.a.temp'],
    ['+/temp', { remote_prefix: 'old/' }, 'old/a/temp', 'a.temp'],
    ['#', { remote_prefix: 'old/', prefix: 'new/' }, 'old/a//b', 'new.a./.b'],
    ['#', { remote_prefix: 'old/', prefix: 'new/' }, 'old', 'new'],
    ['#', { remote_prefix: 'old/' }, 'old', undefined],
    ['#', {}, '$SYS/broker', undefined],
    ['$SYS/#', { prefix: 'plant/' }, '$SYS/broker/uptime', 'plant.$SYS.broker.uptime'],
    ['JS/x', { prefix: '$/' }, 'JS/x', '$.JS.x'],
    ['#', {}, 'a b/v1.2', 'a/%20b.v1//2'],
    ['$share/g/a/+', {}, 'a/1', 'a.1'],
    ['#', {}, `long/${'x'.repeat(4_000)}`, undefined],
  ]
  for (const [filter, rest, topic, subject] of arriving) {
    it(`${filter} ${JSON.stringify(rest)}: ${topic.slice(0, 30)} is ${subject} here`, () => {
      assert.equal(inbound([entry(filter, rest)], topic), subject)
    })
  }

  it('what is no UTF-8 is not let in', () => {
    const bytes = Buffer.from([0x61, 0xff])
    assert.equal(new InboundTopics([entry('#')]).subjectOf(bytes, 0, 2), undefined)
  })

  it('the first entry that matches says what a topic is here', () => {
    const entries = [entry('a/b', { prefix: 'one/' }), entry('a/+', { prefix: 'two/' })]
    assert.equal(inbound(entries, 'a/b'), 'one.a.b')
    assert.equal(inbound(entries, 'a/c'), 'two.a.c')
  })

  const leaving: readonly (readonly [string, Parts, string, string | undefined])[] = [
    ['cmd/#', {}, 'cmd.a', 'cmd.a'],
    ['cmd/#', { remote_prefix: 'site/7/' }, 'cmd.a', 'site.7.cmd.a'],
    ['#', { prefix: 'out/' }, 'out.a.b', 'a.b'],
    ['#', { prefix: 'out/' }, 'out', undefined],
    ['#', {}, '_INBOX.x.1', undefined],
    ['_INBOX/#', {}, '_INBOX.x.1', '_INBOX.x.1'],
    ['#', {}, '$KV.x', undefined],
    ['$KV/#', {}, '$KV.x', '$KV.x'],
    ['+/#', { prefix: '$JS/' }, '$JS.API.INFO', undefined],
    ['#', {}, 'a+b', undefined],
    ['a/+', {}, 'a./', 'a./'],
  ]
  for (const [filter, rest, subject, topic] of leaving) {
    it(`${filter} ${JSON.stringify(rest)}: ${subject} goes out as ${topic}`, () => {
      assert.equal(outbound(entry(filter, rest), subject), topic)
    })
  }

  it('is asked for at the broker with its prefix, inside a shared subscription', () => {
    assert.equal(entry('a/+', { remote_prefix: 'x/' }).brokerFilter, 'x/a/+')
    assert.equal(entry('$share/g/a/+', { remote_prefix: 'x/' }).brokerFilter, '$share/g/x/a/+')
  })
})
