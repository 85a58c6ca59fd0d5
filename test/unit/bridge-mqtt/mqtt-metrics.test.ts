import assert from 'node:assert/strict'
import { MqttCounters } from '../../../bridge-mqtt/index.ts'
import { mqttMetrics } from '../../../bridge-mqtt/mqtt-metrics.ts'

const NOTHING_KEPT = {
  ...{ sessions: 0, sessionsOffline: 0, sessionsExpired: 0 },
  ...{ backlogMessages: 0, backlogBytes: 0, retainedMessages: 0, retainedBytes: 0 },
}

describe('/metrics of MQTT', () => {
  it('has a family for each counter, and one for each figure of what is kept', () => {
    const counters = new MqttCounters()
    const kept = { ...NOTHING_KEPT }
    let last = 0
    for (const facts of [counters, kept]) {
      for (const field of Object.keys(facts)) Object.assign(facts, { [field]: ++last })
    }
    const families = mqttMetrics(counters, kept)
    const values = families.map(({ samples }) => samples[0]?.value)
    assert.deepEqual(
      values.toSorted((a, b) => Number(a) - Number(b)),
      Array.from({ length: last }, (_, i) => i + 1),
    )
    assert.equal(new Set(families.map(({ name }) => name)).size, last)
  })

  it('counts what only grows as _total', () => {
    for (const { name, type } of mqttMetrics(new MqttCounters(), NOTHING_KEPT)) {
      assert.match(name, /^petiole_mqtt_[a-z0-9_]+$/)
      assert.equal(type === 'counter', name.endsWith('_total'), name)
    }
  })
})
