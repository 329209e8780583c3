// Signs and verifies mail with mailauth. In: {modules, task, key, record, headers, mails: [base64]}, on standard input.
// Out: a JSON array with a signature, or a verdict, for each mail.
const path = require("node:path");

async function main(given) {
  const dkim = (name) => require(path.join(given.modules, "mailauth", "lib", "dkim", name));
  const results = [];
  for (const mail of given.mails) {
    const bytes = Buffer.from(mail, "base64");
    if (given.task === "sign") {
      const signed = await dkim("sign").dkimSign(bytes, {
        canonicalization: given.canonicalization,
        algorithm: "rsa-sha256",
        headerList: given.headers,
        signatureData: [{ signingDomain: "example.com", selector: "test", privateKey: given.key }],
      });
      if (signed.errors.length) throw new Error(JSON.stringify(signed.errors));
      results.push(signed.signatures);
    } else {
      const verified = await dkim("verify").dkimVerify(bytes, { resolver: async () => [[given.record]] });
      results.push(verified.results.map((one) => one.status.result).join(" "));
    }
  }
  return results;
}

let text = "";
process.stdin.on("data", (part) => (text += part));
process.stdin.on("end", () => main(JSON.parse(text)).then((results) => console.log(JSON.stringify(results))));
