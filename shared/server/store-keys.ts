import type { EncryptionConfig } from '../config/index.ts'
import { readSecretFile } from '../runtime/index.ts'
import type { StoreEncryption } from '../store/index.ts'

/** The keys of the store, from the configuration or from the files that it names. */
export async function storeKeys(config: EncryptionConfig): Promise<StoreEncryption> {
  const key = await secretOf(config.key, config.key_file)
  const previousKey = await secretOf(config.prev_key, config.prev_key_file)
  return {
    cipher: config.cipher,
    ...(key === undefined ? {} : { key }),
    ...(previousKey === undefined ? {} : { previousKey }),
  }
}

async function secretOf(text: string, file: string): Promise<Uint8Array | undefined> {
  if (text !== '') return Buffer.from(text)
  return file === '' ? undefined : readSecretFile(file)
}
