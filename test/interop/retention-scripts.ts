/** What consumers do to streams that keep only what somebody wants, to be acted out at any server. */
import assert from 'node:assert/strict'
import { type Scene, seconds } from '../support/consumer-scene.ts'

export type Script = (scene: Scene) => Promise<void>

export const WORKQUEUE: Readonly<Record<string, Script>> = {
  'removes what is acknowledged or ended': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (let i = 0; i < 4; i++) await scene.publish('S.a')
    await scene.untilKnown('S', 'c', 4)
    const [a, b, c] = await scene.pull(['S', 'c'], { batch: 3, no_wait: true }, 3)
    assert.ok(a && b && c)
    await scene.ack(a)
    await scene.ack(b, '+TERM bad')
    await scene.ack(c, '-NAK {"delay": 60000000000}')
    await scene.until('S', 2)
    await scene.info('S', 'c')
    await scene.ack(a)
    await scene.ack(c, '+WPI')
    await scene.ack(c, '+OK')
    await scene.until('S', 1)
    await scene.info('S', 'c')
  },
  'keeps what was delivered too often': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(0.2), max_deliver: 1 })
    await scene.watch('$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>')
    await scene.publish('S.a')
    await scene.publish('S.a')
    const [a] = await scene.pull(['S', 'c'], { batch: 1 }, 1)
    assert.ok(a)
    await scene.events(1)
    // Its floor stays where it is for a while: at the next restart it is where ours is.
    await scene.info('S', 'c', 'ack_floor')
    await scene.state('S')
    await scene.ack(a)
    await scene.until('S', 1)
    await scene.info('S', 'c', 'ack_floor')
  },
  'is for one consumer of each subject': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'b', { filter_subject: 'S.b' })
    await scene.consumer('S', 'c', { filter_subject: 'S.*' })
    await scene.consumer('S', 'd')
    for (const subject of ['S.a', 'S.b', 'S.c']) await scene.publish(subject)
    await scene.untilKnown('S', 'a', 1)
    const [message] = await scene.pull(['S', 'a'], { batch: 5, no_wait: true }, 2)
    assert.ok(message)
    await scene.ack(message)
    await scene.until('S', 2)
    await scene.api('CONSUMER.DELETE.S.b')
    await scene.state('S')
  },
  'can be purged and deleted from while messages are pending': async (scene) => {
    await scene.stream('S', { retention: 'workqueue' })
    await scene.consumer('S', 'c', { ack_wait: seconds(60) })
    for (const subject of ['S.a', 'S.b', 'S.a', 'S.b', 'S.a']) await scene.publish(subject)
    await scene.untilKnown('S', 'c', 5)
    const [a, b] = await scene.pull(['S', 'c'], { batch: 3, no_wait: true }, 3)
    assert.ok(a && b)
    await scene.api('STREAM.PURGE.S', { filter: 'S.b' })
    await scene.state('S')
    await scene.api('STREAM.PURGE.S')
    await scene.ack(a)
    await scene.state('S')
    await scene.publish('S.a')
    await scene.pull(['S', 'c'], '', 1)
  },
}

export const INTEREST: Readonly<Record<string, Script>> = {
  'stores what somebody wants': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.publish('S.a')
    await scene.state('S')
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'all')
    await scene.publish('S.a', 'x', { 'Nats-Msg-Id': 'one' })
    await scene.publish('S.b')
    await scene.state('S')
    await scene.untilKnown('S', 'a', 1)
    const [a] = await scene.pull(['S', 'a'], { batch: 5, no_wait: true }, 2)
    assert.ok(a)
    await scene.ack(a)
    await scene.state('S')
    await scene.untilKnown('S', 'all', 2)
    const [first, second] = await scene.pull(['S', 'all'], { batch: 5, no_wait: true }, 3)
    assert.ok(first && second)
    await scene.ack(second)
    await scene.until('S', 1)
    await scene.ack(first)
    await scene.until('S', 0)
    await scene.info('S', 'all')
  },
  'lets go of what a consumer that is deleted wanted': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'a', { filter_subject: 'S.a' })
    await scene.consumer('S', 'b', { filter_subject: 'S.b' })
    for (const subject of ['S.a', 'S.b', 'S.c', 'S.a']) await scene.publish(subject)
    await scene.state('S')
    await scene.api('CONSUMER.DELETE.S.a')
    await scene.until('S', 1)
    await scene.api('CONSUMER.DELETE.S.b')
    await scene.until('S', 0)
    await scene.publish('S.b')
    await scene.state('S')
  },
  'follows a filter that is updated': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'c', { filter_subject: 'S.a' })
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.consumer('S', 'c', { filter_subject: 'S.b' })
    await scene.until('S', 0)
    await scene.publish('S.a')
    await scene.publish('S.b')
    await scene.until('S', 1)
    await scene.info('S', 'c')
  },
  'acknowledges all below': async (scene) => {
    await scene.stream('S', { retention: 'interest' })
    await scene.consumer('S', 'c', { ack_policy: 'all' })
    for (let i = 0; i < 5; i++) await scene.publish('S.a')
    const [, , third] = await scene.pull(['S', 'c'], { batch: 4 }, 4)
    assert.ok(third)
    await scene.ack(third)
    await scene.until('S', 2)
    await scene.info('S', 'c')
  },
  'can come from limits and go back': async (scene) => {
    await scene.stream('S')
    await scene.consumer('S', 'c')
    for (let i = 0; i < 3; i++) await scene.publish('S.a')
    const [first] = await scene.pull(['S', 'c'], { batch: 2 }, 2)
    assert.ok(first)
    await scene.ack(first)
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'], retention: 'interest' })
    await scene.until('S', 2)
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'], retention: 'workqueue' })
    await scene.api('STREAM.UPDATE.S', { name: 'S', subjects: ['S.>'] })
    await scene.publish('S.b')
    await scene.state('S')
  },
}
