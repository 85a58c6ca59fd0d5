import assert from 'node:assert/strict'
import { generate, type IConnectPacket } from 'mqtt-packet'
import { MqttFrontDoor } from '../../../../bridge-mqtt/index.ts'
import type { Authenticator, Expulsion, Identity } from '../../../../shared/account/index.ts'
import { compilePermissions } from '../../../../shared/account/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { MQTT_CONFIG, MqttCore } from '../../../support/mqtt-core.ts'
import { MqttLine } from '../../../support/mqtt-line.ts'
import { connectPacket } from '../../../support/mqtt-packets.ts'
import { RecordingPeer } from '../../../support/recording-peer.ts'
import { permissionsConfig } from '../../account/setup.ts'

describe('the will of a durable session', () => {
  it('goes when its user may not publish it any more', async () => {
    let noPub: string[] = []
    const identity = (): Identity => ({
      user: 'device',
      account: '$G',
      permissions: compilePermissions(permissionsConfig({ noPub })),
    })
    const authenticator: Authenticator = {
      isRequired: false,
      needsNonce: false,
      authenticate: identity,
      recheck: () => undefined,
      renewed: identity,
    }
    const store = new MemoryStore(() => Date.UTC(2030, 0, 1))
    const core = new MqttCore({ store, authenticator })
    const door = new MqttFrontDoor(MQTT_CONFIG)
    await door.open(core)
    await door.start(core)
    try {
      const will = { topic: 'last/word', payload: Buffer.from('x'), qos: 1, retain: false } as const
      const line = await MqttLine.client(door.port, connectPacket('d', { clean: false, will }))
      const wills = (): string[] =>
        [...store.streams.values()]
          .flatMap(({ states }) => [...states.entries()].map(([key]) => key))
          .filter((key) => key.startsWith('w/'))
      assert.equal(wills().length, 1)
      noPub = ['another']
      door.recheck()
      assert.equal(wills().length, 1)
      noPub = ['last.>']
      door.recheck()
      assert.deepEqual(wills(), [])
      assert.equal(await line.takeUntilPong(), '')
      line.destroy()
    } finally {
      await door.destroy()
      await core.close()
    }
  })

  for (const [what, change, isPublished] of [
    ['is as he was', {}, true],
    ['may not publish it any more', { noPub: ['last.>'] }, false],
    ['may still publish it', { noPub: ['another'] }, true],
    ['is gone', { expulsion: 'authorization' }, false],
    ['was revoked', { expulsion: 'user_revoked' }, false],
    ['has come to the end of his time', { expulsion: 'user_expired' }, true],
  ] as const) {
    it(`is ${isPublished ? '' : 'not '}published after its delay when its user ${what}`, async () => {
      let user = 'device'
      let now: { noPub?: readonly string[]; expulsion?: Expulsion } = {}
      const identity = (): Identity => ({
        user: 'device',
        account: '$G',
        permissions: compilePermissions(permissionsConfig({ noPub: [...(now.noPub ?? [])] })),
      })
      const authenticator: Authenticator = {
        isRequired: false,
        needsNonce: false,
        authenticate: () => ({ ...identity(), user }),
        recheck: (of) => (of.user === 'device' ? now.expulsion : undefined),
        renewed: (of) => (of.user !== 'device' || now.noPub === undefined ? undefined : identity()),
      }
      const store = new MemoryStore(() => Date.UTC(2030, 0, 1))
      const core = new MqttCore({ store, authenticator })
      const door = new MqttFrontDoor(MQTT_CONFIG)
      await door.open(core)
      await door.start(core)
      const subscriber = new RecordingPeer('local')
      core.space('$G').subscribe(subscriber, { subject: '>' })
      try {
        const will = {
          topic: 'last/word',
          payload: Buffer.from('x'),
          qos: 1,
          retain: false,
        } as const
        const line = await MqttLine.open(door.port)
        const connect: IConnectPacket = {
          ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, keepalive: 0 },
          ...{ clean: true, clientId: 'd', properties: { sessionExpiryInterval: 600 } },
          will: { ...will, properties: { willDelayInterval: 500 } },
        }
        line.send(generate(connect, { protocolVersion: 5 }))
        assert.match(await line.take(2), /^20/)
        now = change
        user = 'another'
        // The session ends before the delay does: the will is due [MQTT-3.1.3-9].
        const next = await MqttLine.client(door.port, connectPacket('d'))
        line.destroy()
        next.destroy()
        assert.deepEqual(
          subscriber.got.map(({ subject }) => subject),
          isPublished ? ['last.word'] : [],
        )
      } finally {
        await door.destroy()
        await core.close()
      }
    })
  }
})
