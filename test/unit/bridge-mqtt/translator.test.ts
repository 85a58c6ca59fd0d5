import assert from 'node:assert/strict'
import { VIOLATIONS } from '../../../bridge-mqtt/codec/index.ts'
import { CACHED_TOPICS_MAX, SUBJECT_BYTES_MAX } from '../../../bridge-mqtt/limits.ts'
import { Translator } from '../../../bridge-mqtt/translator.ts'
import { SeededRandom } from '../../../shared/runtime/index.ts'
import { BytesCache } from '../../../shared/subject/index.ts'

describe('translator', () => {
  function topic(translator: Translator, text: string) {
    const bytes = Buffer.from(`<${text}>`)
    return translator.topic(bytes, 1, bytes.length - 1)
  }

  it('gives the same topic again when it has come twice, without converting it anew', () => {
    const translator = new Translator()
    const once = topic(translator, 'plant/1/temp')
    const first = topic(translator, 'plant/1/temp')
    assert.deepEqual(once, first)
    assert.ok('subject' in first)
    assert.equal(Buffer.from(first.subject).toString(), 'plant.1.temp')
    assert.equal(Buffer.from(first.bytes).toString(), 'plant/1/temp')
    assert.equal(topic(translator, 'plant/1/temp'), first)
    const subject = Buffer.from('plant.1.temp')
    assert.deepEqual(translator.topicOf(subject), Buffer.from('plant/1/temp'))
    assert.equal(translator.topicOf(subject), translator.topicOf(subject))
  })

  it('keeps its own copy of what it was given', () => {
    const translator = new Translator()
    const bytes = Buffer.from('abc')
    topic(translator, 'abc')
    const first = translator.topic(bytes, 0, 3)
    bytes.fill('z')
    assert.ok('subject' in first)
    assert.equal(Buffer.from(first.subject).toString(), 'abc')
    assert.equal(topic(translator, 'abc'), first)
  })

  it('knows the topics of the server itself', () => {
    const translator = new Translator()
    const reserved = [
      '$SYS',
      '$SYS/a',
      '$JS/API/x',
      '$FLEET/SYNC',
      'SYS',
      '$SYSTEM/a',
      '$aws/a',
      '$KV/a',
    ]
    const found = reserved.map((text) => {
      const known = topic(translator, text)
      return 'subject' in known && known.isReserved
    })
    assert.deepEqual(found, [true, true, true, true, false, false, false, false])
  })

  it('refuses topics that break a rule, each time', () => {
    const translator = new Translator()
    for (let i = 0; i < 2; i++) {
      assert.equal(topic(translator, 'a/+'), VIOLATIONS.topicWildcard)
      assert.equal(topic(translator, 'a\0'), VIOLATIONS.nulInString)
      assert.equal(topic(translator, 'a'.repeat(SUBJECT_BYTES_MAX + 1)), VIOLATIONS.topicTooLong)
    }
    assert.ok('subject' in topic(translator, 'a'.repeat(SUBJECT_BYTES_MAX)))
  })

  it('leaves out subjects that are no UTF-8', () => {
    assert.equal(new Translator().topicOf(Buffer.from('61c3', 'hex')), undefined)
  })
})

describe('bytes cache', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31)

  it(`answers as a map does, until it is full (seed ${seed})`, () => {
    const random = new SeededRandom(seed)
    const cache = new BytesCache<string>(100, 8)
    const model = new Map<string, string>()
    for (let i = 0; i < 20_000; i++) {
      const text = `k${random.below(150)}`
      const key = Buffer.from(`..${text}..`)
      const found = cache.get(key, 2, key.length - 2)
      assert.equal(found, model.get(text))
      if (found !== undefined) continue
      if (model.size === 100) model.clear()
      model.set(text, text)
      cache.add(key, 2, key.length - 2, text)
      assert.equal(cache.size, model.size)
    }
  })

  it('keeps no key above its length', () => {
    const cache = new BytesCache<number>(CACHED_TOPICS_MAX, 8)
    cache.add(Buffer.from('123456789'), 0, 9, 1)
    assert.equal(cache.size, 0)
  })
})
