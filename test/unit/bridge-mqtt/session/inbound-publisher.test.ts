import assert from 'node:assert/strict'
import type { MqttContext } from '../../../../bridge-mqtt/session/context.ts'
import { Publisher } from '../../../../bridge-mqtt/session/inbound-publisher.ts'
import { Scratch } from '../../../../bridge-mqtt/session/scratch.ts'
import { Translator } from '../../../../bridge-mqtt/translator.ts'
import { AccountSpace, type Peer } from '../../../../shared/broker/index.ts'
import { SeededRandom } from '../../../../shared/runtime/index.ts'

describe('inbound publisher', () => {
  it('is routing nothing any more when routing has failed', () => {
    const scratch = new Scratch()
    const context = { scratch, retainedOf: () => undefined } as unknown as MqttContext
    const space = new AccountSpace(new SeededRandom(1), '$G')
    const peer: Peer = { kind: 'local', echo: true, id: 1, deliver: () => {} }
    space.publish = () => {
      throw new Error('routing failed')
    }
    const publisher = new Publisher(context, space, peer, true)
    const name = Buffer.from('a')
    const topic = new Translator().topic(name, 0, name.length)
    assert.ok('subject' in topic)
    const payload = Buffer.from('x')
    assert.throws(
      () => publisher.route(topic, topic.subject, scratch.facts, payload, undefined),
      /routing failed/,
    )
    assert.equal(publisher.topic, undefined)
    assert.equal(scratch.publication.payload.length, 0)
  })
})
