// Passkeys: carries the desk's question to the browser's authenticator and its answer back. Where a browser has no
// passkeys nothing of this shows, and every page offers another way.
"use strict";

(() => {
  const AGAIN_AFTER = 4 * 60 * 1000; // The desk waits five minutes for an answer: ask anew before that.
  const PATIENCE = 20000;

  class Refusal extends Error {
    constructor(sentence, code) {
      super(sentence);
      this.code = code;
    }
  }

  // Base64url, for browsers that do not read and write these objects as JSON themselves.
  const bytes = (text) => Uint8Array.from(
    window.atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0),
  );
  const text = (buffer) => window.btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

  function fromJson(kind, options) {
    if (kind === "create") {
      if (PublicKeyCredential.parseCreationOptionsFromJSON) {
        return PublicKeyCredential.parseCreationOptionsFromJSON(options);
      }
      return {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
      };
    }
    if (PublicKeyCredential.parseRequestOptionsFromJSON) {
      return PublicKeyCredential.parseRequestOptionsFromJSON(options);
    }
    return { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) };
  }

  function toJson(credential) {
    if (credential.toJSON) {
      try {
        return credential.toJSON();
      } catch {
        // Password managers put objects of their own in place of the browser's, not all of them complete.
      }
    }
    const given = credential.response;
    const response = { clientDataJSON: text(given.clientDataJSON) };
    if (given.attestationObject) {
      response.attestationObject = text(given.attestationObject);
      response.transports = given.getTransports ? given.getTransports() : [];
    } else {
      response.authenticatorData = text(given.authenticatorData);
      response.signature = text(given.signature);
      if (given.userHandle) response.userHandle = text(given.userHandle);
    }
    return { id: credential.id, rawId: text(credential.rawId), type: credential.type, response };
  }

  async function post(root, url, body) {
    let response;
    try {
      response = await fetch(url, {
        method: "POST",
        headers: { "Accept": "application/json", "Content-Type": "application/json", "X-CSRFToken": root.dataset.csrf },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE),
      });
    } catch {
      throw new Refusal(root.dataset.lost);
    }
    // Whoever was signed out meanwhile was sent to the sign-in page.
    if (response.redirected) return { go: response.url };
    const answer = await response.json().catch(() => ({}));
    if (!response.ok && !answer.go) throw new Refusal(answer.detail || root.dataset.lost, answer.code);
    return answer;
  }

  function say(root, sentence, failed) {
    const region = root.querySelector("[data-passkey-said]");
    region.classList.toggle("zd-error", Boolean(failed));
    // The same sentence twice is only announced twice when it was gone in between.
    region.textContent = "";
    if (sentence) window.requestAnimationFrame(() => { region.textContent = sentence; });
  }

  function sentenceFor(root, error, elsewhere) {
    if (error instanceof Refusal) return error.message;
    if (error.name === "NotAllowedError") return root.dataset.cancelled;
    if (error.name === "InvalidStateError") return root.dataset.known;
    if (error.name === "SecurityError") return elsewhere || root.dataset.failed;
    return root.dataset.failed;
  }

  // A passkey that the desk does not know any more need not be offered again.
  function forget(publicKey, credential) {
    if (PublicKeyCredential.signalUnknownCredential && publicKey.rpId) {
      PublicKeyCredential.signalUnknownCredential({ rpId: publicKey.rpId, credentialId: credential.id }).catch(() => {});
    }
  }

  async function answer(root, publicKey, credential) {
    const name = root.querySelector("[data-passkey-name]");
    const body = { credential: toJson(credential), next: root.dataset.next || "", name: name ? name.value : "" };
    try {
      const told = await post(root, root.dataset.answer, body);
      window.location.assign(told.go);
    } catch (error) {
      if (error.code === "passkey-unknown") forget(publicKey, credential);
      throw error;
    }
  }

  let autofill = null; // what waits for somebody to pick a passkey among the suggestions of the e-mail field
  let asking = Promise.resolve(); // its question, on the way: the desk has one at a time open for each browser
  let renewal = 0;

  function endAutofill() {
    window.clearTimeout(renewal);
    if (autofill) autofill.abort();
    autofill = null;
  }

  async function offerAutofill(root) {
    if (!root.hasAttribute("data-autofill") || !PublicKeyCredential.isConditionalMediationAvailable) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return;
    endAutofill();
    const mine = new AbortController();
    autofill = mine;
    const button = root.querySelector("[data-passkey-press]");
    let picked = false;
    try {
      asking = post(root, root.dataset.options, {});
      const asked = await asking;
      if (mine.signal.aborted || !asked.publicKey) return;
      renewal = window.setTimeout(() => whenSeen(() => offerAutofill(root)), AGAIN_AFTER);
      const publicKey = fromJson("get", asked.publicKey);
      const waiting = navigator.credentials.get({ publicKey, mediation: "conditional", signal: mine.signal });
      root.dataset.autofill = "offered";
      const credential = await waiting;
      picked = true;
      button.setAttribute("aria-busy", "true");
      await answer(root, publicKey, credential);
    } catch (error) {
      // Nobody asked for suggestions, so nobody hears that there are none.
      if (!picked) return;
      button.removeAttribute("aria-busy");
      say(root, sentenceFor(root, error), true);
      offerAutofill(root);
    }
  }

  function whenSeen(act) {
    if (document.visibilityState === "visible") {
      act();
      return;
    }
    document.addEventListener("visibilitychange", act, { once: true });
  }

  async function press(root, button) {
    if (button.getAttribute("aria-busy") === "true") return;
    button.setAttribute("aria-busy", "true");
    endAutofill();
    say(root, root.dataset.waiting);
    const kind = root.dataset.passkey;
    let elsewhere = "";
    await asking.catch(() => {});
    try {
      const password = root.querySelector("[data-passkey-password]");
      const asked = await post(root, root.dataset.options, password ? { password: password.value } : {});
      if (asked.go) {
        window.location.assign(asked.go);
        return;
      }
      elsewhere = asked.elsewhere;
      const publicKey = fromJson(kind, asked.publicKey);
      const credential = await navigator.credentials[kind]({ publicKey });
      await answer(root, publicKey, credential);
    } catch (error) {
      button.removeAttribute("aria-busy");
      say(root, sentenceFor(root, error, elsewhere), true);
      button.focus();
      offerAutofill(root);
    }
  }

  function begin(root) {
    const able = Boolean(window.PublicKeyCredential && navigator.credentials);
    root.querySelector(able ? "[data-passkey-able]" : "[data-passkey-unable]").hidden = false;
    if (!able) return;
    const button = root.querySelector("[data-passkey-press]");
    button.addEventListener("click", () => press(root, button));
    for (const field of root.querySelectorAll("[data-passkey-name], [data-passkey-password]")) {
      field.addEventListener("keydown", (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        press(root, button);
      });
    }
    offerAutofill(root);
  }

  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-passkey]").forEach(begin));
  // The page comes back from the browser's memory as it was left, but what it waited for is gone.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const root of document.querySelectorAll("[data-passkey]")) {
      root.querySelectorAll("[aria-busy]").forEach((button) => button.removeAttribute("aria-busy"));
      say(root, "");
      if (window.PublicKeyCredential) offerAutofill(root);
    }
  });
})();
