import assert from 'node:assert/strict'
import { StoredSubjects } from '../../../../bridge-mqtt/durable/stored-subjects.ts'
import { HeldCapture, MqttCore } from '../../../support/mqtt-core.ts'

describe('subjects that somebody stores', () => {
  it('are those of captures, and never what the server tells of itself', async () => {
    const core = new MqttCore()
    const space = core.space('$G')
    const stored = new StoredSubjects(space)
    const isStored = (subject: string): boolean => stored.isStored(Buffer.from(subject))
    assert.equal(isStored('plant.1'), false)
    // A stream of everything: what is sent past it must not wait in a log that never has it.
    const all = new HeldCapture(space, '>')
    assert.deepEqual(['plant.1', '$SYS.broker.version', '$SYS.x'].map(isStored), [
      true,
      false,
      true,
    ])
    assert.equal(all.held.length, 0)
    stored.close()
    await core.close()
  })
})
