import assert from 'node:assert/strict'
import { ConfigError, compareConfigs, parseConfig } from '../../../shared/config/index.ts'

const KEY = '6dYfBV0zzEkR3vxZCNjxmnVh'

describe('config: encryption of the store', () => {
  it('takes the keys under all names that nats-server has for them', () => {
    for (const [key, prev] of [
      ['key', 'prev_key'],
      ['ek', 'prev_ek'],
      ['encryption_key', 'prev_encryption_key'],
    ] as const) {
      for (const [cipher, is] of [
        ['aes', 'aes'],
        ['AES', 'aes'],
        ['chacha', 'chacha'],
        ['chachapoly', 'chacha'],
      ] as const) {
        const file = { jetstream: { [key]: KEY, [prev]: `old ${KEY}`, cipher } }
        assert.deepEqual(parseConfig(file, 'hub').jetstream.encryption, {
          cipher: is,
          key: KEY,
          key_file: '',
          prev_key: `old ${KEY}`,
          prev_key_file: '',
        })
      }
    }
  })

  it('shows no key in what it says of one', () => {
    const short = 'tooshort'
    assert.throws(
      () => parseConfig({ jetstream: { key: short } }, 'hub'),
      (error: Error) => error instanceof ConfigError && !error.message.includes(short),
    )
    assert.throws(
      () => parseConfig({ jetstream: { prev_key: 12345678 } }, 'hub'),
      (error: Error) => error instanceof ConfigError && !error.message.includes('12345678'),
    )
    const before = parseConfig({ jetstream: { key: KEY } }, 'hub')
    const after = parseConfig({ jetstream: { key: `${KEY}!`, prev_key: KEY } }, 'hub')
    const { refused } = compareConfigs(before, after)
    assert.deepEqual(
      refused.map(({ message }) => message),
      [
        'config reload not supported for jetstream.encryption.key',
        'config reload not supported for jetstream.encryption.prev_key',
      ],
    )
  })
})
