import assert from 'node:assert/strict'
import { DEFAULT_LIMITS, limitsOf } from '../../../bridge-mqtt/index.ts'
import {
  compareConfigs,
  loadConfig,
  MQTT_DEFAULTS,
  parseConfig,
} from '../../../shared/config/index.ts'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import { ConfigFiles } from '../../support/config-files.ts'

const MIB = 1024 * 1024

function read(block: object) {
  return parseConfig({ mqtt: { port: 1883, ...block } }, 'hub')
}

function mqttOf(block: object) {
  const { mqtt } = read(block)
  assert.ok(mqtt)
  return mqtt
}

describe('config: what MQTT clients may take', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  it('a block that says nothing has the named defaults, and the front door too', () => {
    const { listen: _listen, ack_wait, tls, no_auth_user, authorization, ...limits } = mqttOf({})
    assert.deepEqual(limits, MQTT_DEFAULTS)
    assert.deepEqual(limitsOf(limits), DEFAULT_LIMITS)
    assert.deepEqual(
      [ack_wait, tls, no_auth_user, authorization],
      [30_000, undefined, '', undefined],
    )
  })

  const taken: readonly (readonly [
    text: string,
    key: keyof typeof MQTT_DEFAULTS,
    value: unknown,
  ])[] = [
    ['max_clients: 5', 'max_connections', 5],
    ['connect_timeout: 2', 'connect_timeout', 2_000],
    ['server_keep_alive: 90', 'max_keepalive', 90_000],
    ['max_keepalive: 5m', 'max_keepalive', 300_000],
    ['allow_zero_length_clientid: false', 'allow_zero_length_clientid', false],
    ['reveal_reasons: false', 'reveal_reasons', false],
    ['server_reference: "b.example:1883"', 'server_reference', 'b.example:1883'],
    ['server_reference: ["b:1883", "[::1]:1884"]', 'server_reference', 'b:1883 [::1]:1884'],
    ['receive_maximum: 20', 'receive_maximum', 20],
    ['max_topic_alias: 0', 'topic_alias_maximum', 0],
    ['max_packet_size: 64KB', 'max_packet_size', 64 * 1024],
    ['max_inflight_messages: 20', 'max_ack_pending', 20],
    ['max_queued_bytes: 2MB', 'max_queued_bytes', 2 * MIB],
    ['max_total_queued_bytes: 64MB', 'max_total_queued_bytes', 64 * MIB],
    ['max_rate: 500', 'max_rate', 500],
    ['persistent_client_expiration: 14d', 'max_session_expiry', 14 * 86_400_000],
    ['max_backlog_bytes: 2GB', 'max_backlog_bytes', 2048 * MIB],
    ['max_retained: 0', 'max_retained', 0],
    ['sys_interval: 0', 'sys_interval', 0],
    ['scram: false', 'scram', false],
  ]
  for (const [text, key, value] of taken) {
    it(`takes ${text}`, async () => {
      const file = await files.write('test.conf', `mqtt { port: 1883, ${text} }`)
      const { config } = await loadConfig(new SystemDisk(), file, 'hub')
      assert.deepEqual(config.mqtt?.[key], value)
    })
  }

  const refused: readonly (readonly [text: string, problem: string])[] = [
    ['max_conections: 5', 'max_conections: unknown key, did you mean "max_connections"?'],
    ['recieve_maximum: 5', 'recieve_maximum: unknown key, did you mean "receive_maximum"?'],
    ['max_connections: 0', 'max_connections: must be a whole number from 1 to 1000000, not 0'],
    [
      'receive_maximum: 65536',
      'receive_maximum: must be a whole number from 1 to 65535, not 65536',
    ],
    ['max_keepalive: 20h', 'max_keepalive: must be at most 65535s, not "20h"'],
    ['max_keepalive: 10ms', 'max_keepalive: must be 0 for as long as clients ask, or at least 1s'],
    ['max_packet_size: 10', 'max_packet_size: must be 0, or at least 1024 bytes'],
    ['sys_interval: 1ms', 'sys_interval: must be 0 for never, or at least 1s'],
    [
      'max_session_expiry: 1ms',
      'max_session_expiry: must be 0 for as long as clients ask, or at least 1s',
    ],
    [
      'server_reference: "b:99999"',
      'server_reference: must be servers like mqtt.example:1883, not "b:99999"',
    ],
    [
      'server_reference: "mqtt://b"',
      'server_reference: must be servers like mqtt.example:1883, not "mqtt://b"',
    ],
    [
      'max_total_queued_bytes: 1KB',
      'max_total_queued_bytes: must be from 1048576 to 9007199254740991 bytes, not 1024',
    ],
    ['scram: 1', 'scram: must be true or false, not 1'],
  ]
  for (const [text, problem] of refused) {
    it(`refuses ${text}`, async () => {
      const { problems } = await files.check(`mqtt { port: 1883, ${text} }`, 'hub')
      assert.deepEqual(problems, [`test.conf:1: mqtt.${problem}`])
    })
  }

  it('a queue that the largest message does not fit into is told', async () => {
    const { warnings } = await files.check('mqtt { port: 1883, max_queued_bytes: 64KB }', 'hub')
    assert.match(warnings.join(), /mqtt.max_queued_bytes: is below max_payload/)
  })

  it('a reload changes what is for clients that come, a restart where things are kept', () => {
    const before = read({})
    const of = (key: string, value: unknown) => {
      const { changes, refused } = compareConfigs(before, read({ [key]: value }))
      assert.deepEqual(changes, [`mqtt.${key}`], key)
      return refused.length === 0
    }
    const other: Record<string, unknown> = {
      allow_zero_length_clientid: false,
      reveal_reasons: false,
      connect_timeout: '1s',
      downgrade_qos2_subscribe: true,
      max_ack_pending: 7,
      max_backlog_bytes: 2 * MIB,
      max_connections: 7,
      max_keepalive: '7s',
      max_packet_size: 4096,
      max_queued_bytes: MIB,
      max_queued_messages: 7,
      max_rate: 7,
      max_retained: 7,
      max_retained_bytes: MIB,
      max_session_expiry: '1h',
      max_sessions: 7,
      max_subscriptions: 7,
      max_total_queued_bytes: 2 * MIB,
      receive_maximum: 7,
      reject_qos2_publish: true,
      scram: false,
      server_reference: 'b:1',
      sys_interval: '1s',
      topic_alias_maximum: 7,
    }
    assert.deepEqual(Object.keys(other).sort(), Object.keys(MQTT_DEFAULTS).sort())
    const fixed = Object.keys(other).filter((key) => !of(key, other[key]))
    assert.deepEqual(fixed, [
      'max_backlog_bytes',
      'max_retained',
      'max_retained_bytes',
      'max_sessions',
      'scram',
    ])
  })
})
