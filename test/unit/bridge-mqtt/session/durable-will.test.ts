import assert from 'node:assert/strict'
import { MqttFrontDoor } from '../../../../bridge-mqtt/index.ts'
import type { Authenticator, Identity } from '../../../../shared/account/index.ts'
import { compilePermissions } from '../../../../shared/account/index.ts'
import { MemoryStore } from '../../../support/memory-store.ts'
import { MQTT_CONFIG, MqttCore } from '../../../support/mqtt-core.ts'
import { MqttLine } from '../../../support/mqtt-line.ts'
import { connectPacket } from '../../../support/mqtt-packets.ts'
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
})
