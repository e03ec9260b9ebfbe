import { describe, expect, test } from "vitest";
import { called, nameOf, saysOf, search, split, TERMS, termOfMeaning } from "../src/glossary/terms";

const marked = (text: string, language: "en" | "zh") =>
  split(text, language)
    .filter((part) => part.term >= 0)
    .map((part) => [part.text, TERMS[part.term].en]);

describe("terms in running text", () => {
  test("nothing of a text is lost", () => {
    for (const [text, language] of [
      ["A neuron adds its bias; neurons make a layer, and layers a network.", "en"],
      ["神经元把加权和传给激活函数；这就是神经网络。", "zh"],
      ["No such thing here", "en"],
      ["", "en"],
    ] as const)
      expect(split(text, language).map((part) => part.text).join("")).toBe(text);
  });

  test("each is marked once, where it comes first, in any number and case", () => {
    expect(marked("Neurons and a neuron, biases and losses", "en")).toEqual([
      ["Neurons", "neuron"],
      ["biases", "bias"],
      ["losses", "loss"],
    ]);
  });

  test("the longest one wins, and no part of a word is one", () => {
    expect(marked("the activation function of a hidden layer", "en")).toEqual([
      ["activation function", "activation function"],
      ["hidden layer", "hidden layer"],
    ]);
    expect(marked("biased weightless glossy", "en")).toEqual([]);
    expect(marked("隐藏层的激活函数", "zh")).toEqual([
      ["隐藏层", "hidden layer"],
      ["激活函数", "activation function"],
    ]);
  });

  test("a sign at its end may be left out", () => {
    expect(marked("its node error, at the learning rate η", "en").map((one) => one[1])).toEqual([
      "node error δ",
      "learning rate η",
    ]);
  });

  test("what is known is not marked again", () => {
    const known = new Set<number>();
    split("a neuron", "en", known);
    expect(split("a neuron", "en", known)).toEqual([{ text: "a neuron", term: -1 }]);
  });
});

describe("the glossary", () => {
  test("is looked through in both languages", () => {
    expect(search("偏置", "en").map((at) => TERMS[at].en)).toContain("bias");
    expect(search("bias", "zh").map((at) => TERMS[at].zh)).toContain("偏置");
    expect(search("", "en")).toHaveLength(TERMS.length);
    expect(search("nothing like this", "en")).toEqual([]);
    const names = search("", "en").map((at) => TERMS[at].en);
    expect(names).toEqual([...names].sort((a, b) => a.localeCompare(b, "en")));
  });

  test("explains what Python says a number is", () => {
    expect(TERMS[termOfMeaning("node error ∂L/∂z")].en).toBe("node error δ");
    expect(TERMS[termOfMeaning("∂L/∂w")].zh).toBe("梯度");
    expect(termOfMeaning("something else")).toBe(-1);
  });

  test("names metrics as the report does", () => {
    expect(called("accuracy", "zh")).toBe("准确率");
    expect(called("accuracy", "en")).toBe("accuracy");
    expect(called("of one's own", "zh")).toBe("of one's own");
  });

  test("has both languages of everything", () => {
    for (const term of TERMS)
      for (const language of ["en", "zh"] as const) {
        expect(nameOf(term, language)).not.toBe("");
        expect(saysOf(term, language)).not.toContain("`");
      }
  });
});
