import assert from 'node:assert/strict'
import { checkConfig, compareConfigs, parseConfig } from '../../../shared/config/index.ts'
import { topicFilterFault, topicsOverlap } from '../../../shared/config/topic-rule.ts'
import { SystemDisk } from '../../../shared/runtime/index.ts'
import { ConfigFiles } from '../../support/config-files.ts'

const URL = 'url: "mqtt://plant"'

describe('config: mqtt.remotes', () => {
  let files: ConfigFiles

  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  async function check(text: string) {
    const file = await files.write('leaf.conf', text)
    const { problems, warnings } = await checkConfig(new SystemDisk(), file, 'leaf')
    const said = (list: typeof problems): string[] => list.map((it) => `${it.path}: ${it.message}`)
    return { problems: said(problems), warnings: said(warnings) }
  }

  function remotes(...inputs: object[]) {
    return parseConfig({ mqtt: { remotes: inputs } }, 'leaf').mqtt_remotes
  }

  it('are read with all that is left out', () => {
    const [remote] = remotes({ url: 'mqtt://ann:se%40cret@plant.example', subscribe: ['plant/#'] })
    assert.deepEqual(remote, {
      name: 'plant.example',
      urls: [
        {
          protocol: 'tcp',
          host: 'plant.example',
          port: 1883,
          path: '',
          user: 'ann',
          password: 'se@cret',
          text: 'mqtt://plant.example:1883',
        },
      ],
      client_id: '',
      user: 'ann',
      password: 'se@cret',
      account: '$G',
      subscribe: [{ filter: 'plant/#', qos: 1, prefix: '', remote_prefix: '' }],
      publish: [],
      tls: undefined,
      keep_alive: 30_000,
      version: 'auto',
      session_expiry: 0,
      via: '',
      max_bytes: 256 * 1024 * 1024,
      max_msgs: 0,
      max_age: 0,
      discard: 'old',
      max_inflight: 64,
      reconnect: 1_000,
      dial_timeout: 5_000,
    })
  })

  it('have addresses of four schemes, with the ports and the path that brokers have', () => {
    const addresses = ['mqtt://p', 'mqtts://p', 'ws://p', 'wss://p/broker', 'mqtt://[::1]:1884']
    const read = addresses.map((url) => {
      const [remote] = remotes({ url, publish: 'a' })
      const [address] = remote?.urls ?? []
      const isSecure = remote?.tls !== undefined
      return [address?.protocol, address?.host, address?.port, address?.path, isSecure]
    })
    assert.deepEqual(read, [
      ['tcp', 'p', 1883, '', false],
      ['tcp', 'p', 8883, '', true],
      ['websocket', 'p', 80, '/mqtt', false],
      ['websocket', 'p', 443, '/broker', true],
      ['tcp', '::1', 1884, '', false],
    ])
  })

  it('need no listener, and bring a store', () => {
    const remote = { url: 'mqtt://p', publish: 'a' }
    const hub = parseConfig({ mqtt: { remotes: [remote] } }, 'hub')
    assert.equal(hub.mqtt, undefined)
    assert.equal(hub.jetstream.enabled, true)
    assert.equal(
      parseConfig({ mqtt: { port: 1883, remotes: [remote] } }, 'hub').mqtt?.listen.port,
      1883,
    )
    assert.deepEqual(remotes({ ...remote, disabled: true }), [])
  })

  const wrong: readonly (readonly [remote: string, ...problems: string[]])[] = [
    [
      '',
      'mqtt.remotes[0]: needs a url, for example url: "mqtt://plant.example:1883"',
      'mqtt.remotes[0]: needs topics that cross: subscribe or publish, for example subscribe: ["plant/#"]',
    ],
    [
      'url: "nats://p", subscribe: a',
      'mqtt.remotes[0].url: nats:// is no scheme for a broker: use mqtt://, mqtts://, ws:// or wss://',
    ],
    [
      'url: "u:secret@p", subscribe: a',
      'mqtt.remotes[0].url: "…@p" is no URL: write mqtt://host:1883 or mqtts://host:8883',
    ],
    [
      `${URL}, subscribe: "a/#/b"`,
      'mqtt.remotes[0].subscribe: "a/#/b" has a wildcard where none may be: + is a whole level, # the last one',
    ],
    [
      `${URL}, subscribe: [{ filter: a, qos: 2 }]`,
      'mqtt.remotes[0].subscribe[0].qos: must be 0 or 1, not 2',
    ],
    [
      `${URL}, subscribe: [{ filter: a, prefix: "x" }]`,
      'mqtt.remotes[0].subscribe[0].prefix: the prefix "x" must end with /, so that it is whole levels',
    ],
    [
      `${URL}, subscribe: [{ filter: a, prefix: "+/" }]`,
      'mqtt.remotes[0].subscribe[0].prefix: the prefix "+/" may not hold + or #',
    ],
    [
      `${URL}, publish: "$share/g/a"`,
      'mqtt.remotes[0].publish: "$share/g/a" is a shared subscription: only subscribe takes one',
    ],
    [
      `${URL}, subscribe: "$share/g"`,
      'mqtt.remotes[0].subscribe: "$share/g" is no shared subscription: write $share/group/filter',
    ],
    [
      `${URL}, subscribe: "$SYS/#"`,
      'mqtt.remotes[0].subscribe: "$SYS/#" would be the server\'s own here: give it a prefix',
    ],
    [`${URL}, publish: "$JS/#"`, 'mqtt.remotes[0].publish: "$JS/#" belongs to the server itself'],
    [`${URL}, publish: a, version: 4`, 'mqtt.remotes[0].version: must be 5, 3.1.1 or auto, not 4'],
    [`${URL}, publish: a, password: x`, 'mqtt.remotes[0].password: needs a user beside it'],
    [
      `${URL}, publish: a, account: nobody`,
      'mqtt.remotes[0].account: there is no account "nobody" in accounts',
    ],
    [
      `${URL}, publish: a, via: "a, b"`,
      'mqtt.remotes[0].via: must be a name without spaces and commas, not "a, b"',
    ],
    [
      `${URL}, publish: a, tls { cert_file: x }`,
      'mqtt.remotes[0].tls.cert_file: cannot read x: there is no such file',
      'mqtt.remotes[0].tls.key_file: is missing beside cert_file',
    ],
    [
      `${URL}, publish: "a/#", subscribe: "a/b", version: 3.1.1`,
      'mqtt.remotes[0].subscribe: "a/b" overlaps with "a/#" that is published there: with MQTT 3.1.1 it comes back. set version: 5, or keep them apart with a remote_prefix',
    ],
    [
      `${URL}, publish: "a/#", subscribe: "$share/g/+/b"`,
      'mqtt.remotes[0].subscribe: "+/b" overlaps with "a/#" that is published there, and a shared subscription gets what it sent itself back',
    ],
  ]
  for (const [remote, ...problems] of wrong) {
    it(`{ ${remote} } is refused`, async () => {
      const found = await check(`mqtt { remotes: [ { ${remote} } ] }`)
      assert.deepEqual(found.problems.toSorted(), problems.toSorted())
    })
  }

  it('have names of their own, and a store', async () => {
    const remote = `{ ${URL}, publish: a }`
    assert.deepEqual((await check(`mqtt { remotes: [ ${remote}, ${remote} ] }`)).problems, [
      'mqtt.remotes[1].name: "plant" is there twice',
    ])
    const off = await check(`jetstream: disabled\nmqtt { remotes: [ ${remote} ] }`)
    assert.deepEqual(off.problems, ['jetstream: is off, but mqtt.remotes needs its store'])
  })

  it('may say the same both ways with MQTT 5 only, unless prefixes make them differ', async () => {
    const both = 'subscribe: "t/#", publish: "t/#"'
    const { problems, warnings } = await check(`mqtt { remotes: [ { ${URL}, ${both} } ] }`)
    assert.deepEqual(problems, [])
    assert.match(warnings[0] ?? '', /takes a broker with MQTT 5/)
    assert.equal(remotes({ url: 'mqtt://p', subscribe: 't/#', publish: 't/#' })[0]?.version, '5')
    const apart =
      'subscribe: "t/#", publish: [ { filter: "t/#", remote_prefix: "hub/" } ], version: 3.1.1'
    const fine = await check(`mqtt { remotes: [ { ${URL}, ${apart} } ] }`)
    assert.deepEqual(fine, { problems: [], warnings: [] })
  })

  it('can be changed by a reload, but for the first that comes', () => {
    const config = (...inputs: object[]) =>
      parseConfig({ mqtt: { port: 1883, remotes: inputs } }, 'leaf')
    const one = { url: 'mqtt://p:secret@p', publish: 'a' }
    assert.deepEqual(compareConfigs(config(one), config({ ...one, publish: 'b' })).refused, [])
    assert.deepEqual(compareConfigs(config(one), config()).refused, [])
    const [refused] = compareConfigs(config(), config(one)).refused
    assert.equal(
      refused?.message,
      'config reload not supported for mqtt.remotes: the first of them takes a restart',
    )
  })
})

describe('config: topic filters', () => {
  it('are whole levels', () => {
    for (const filter of ['a', '/', 'a/+/b', '#', '+', '$share/g/a/#', 'a//b', ' ']) {
      assert.equal(topicFilterFault(filter), undefined, filter)
    }
    for (const filter of ['', 'a#', 'a/b+', '#/a', 'a\0', '$share//a', 'x'.repeat(65_536)]) {
      assert.notEqual(topicFilterFault(filter), undefined, filter.slice(0, 20))
    }
  })

  const pairs: readonly (readonly [string, string, boolean])[] = [
    ['a', 'a', true],
    ['a', 'b', false],
    ['a/#', 'a', true],
    ['a/#', 'a/b/c', true],
    ['a/#', 'ab', false],
    ['+/b', 'a/+', true],
    ['+/b', 'a/c', false],
    ['a/+', 'a', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['#', '+', true],
    ['a//b', 'a/+/b', true],
  ]
  for (const [left, right, isTrue] of pairs) {
    it(`${left} and ${right} ${isTrue ? 'overlap' : 'do not'}`, () => {
      assert.equal(topicsOverlap(left, right), isTrue)
      assert.equal(topicsOverlap(right, left), isTrue)
    })
  }
})
