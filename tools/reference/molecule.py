"""Verdicts of RDKit on SMILES strings: services/vae/internal/molecule/testdata/rdkit.json.

    pip install -r tools/reference/molecule_requirements.txt
    python tools/reference/molecule.py services/vae/internal/molecule/testdata/rdkit.json

Half of the strings are borderline cases by hand and molecules that everybody knows, the others are these with a few
characters changed at random. The wildcard, dative bonds, and the empty string are left out: the package says so.
"""

import json
import random
import sys

import rdkit
from rdkit import Chem, RDLogger

KNOWN = """
CC(=O)Oc1ccccc1C(=O)O Cn1c(=O)c2c(ncn2C)n(C)c1=O CC(C)Cc1ccc(cc1)C(C)C(=O)O CN1CCC[C@H]1c1cccnc1
C1=CC=C2C(=C1)C=CC=C2 OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O CC(=O)Nc1ccc(O)cc1 c1ccc2c(c1)[nH]c1ccccc12
CN1C2CCC1CC(C2)OC(=O)C(CO)c1ccccc1 O=C1NC(=O)c2ccccc12 c1ccc2ccccc2c1 c1ccc2cccc2cc1 c1cc2ccc3cccc4ccc(c1)c2c34
NCC(=O)O N[C@@H](Cc1c[nH]c2ccccc12)C(=O)O C1CC2CCC1C2 C12C3C4C1C5C2C3C45 c1cnc[nH]1 c1ccnnc1 c1nc[nH]n1 c1cocn1
Clc1ccc(cc1)C(c1ccc(Cl)cc1)C(Cl)(Cl)Cl CCOP(=S)(OCC)Oc1ccc(cc1)[N+](=O)[O-] OS(=O)(=O)O NS(=O)(=O)c1ccc(N)cc1
[O-][n+]1ccccc1 C[n+]1ccccc1.[I-] CC(C)(C)OC(=O)N C#CC#CC F/C=C/F CC/C=C\\C c1ccc(cc1)-c1ccccc1 c1ccc2c(c1)Cc1ccccc1-2
B(O)(O)c1ccccc1 C[Si](C)(C)C O=C=C=C=O [C-]#[O+] [N-]=[N+]=N OCC1OC(CO)(OC2OC(CO)C(O)C(O)C2O)C(O)C1O CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O
"""

BY_HAND = """
CN(=O)=O C[N](=O)=O CN=N#N CN=[N+]=[N-] C=[N+]=[N-] C=N#N N=N#N ON(=O)=O N(=O)(=O)O O=N=O N#N=O N(C)(C)(C)C
N(C)(C)(C)(C)C CN(C)(C)=O C[N](C)(C)C [NH4] [NH4+] [NH2-] [NH5] n1cccc1 [nH]1cccc1 Cn1cccc1 n1(C)cccc1 c1cccc1 [cH]1cccc1
[cH-]1cccc1 [cH+]1cccc1 [cH+]1cccccc1 c1ccccccc1 c1ccc1 c1cc1 [cH+]1cc1 c1ccccc1=O O=c1ccccc1 O=c1cccccc1 C=c1cccc1
C=c1ccccc1 O=c1cc[nH]cc1 O=c1ccncc1 o1cccc1 [o+]1ccccc1 o1ccccc1 s1cccc1 s1ccccc1 O=s1cccc1 O=s1(=O)cccc1 [se]1cccc1
[te]1cccc1 p1ccccc1 [pH]1cccc1 b1ccccc1 [bH-]1ccccc1 [si]1ccccc1 [as]1ccccc1 c:c c1:c:c:c:c:c1 c1=cc=cc=c1 C1=CC=CC=C1
c1ccccc1c1ccccc1 c1ccccc1-c1ccccc1 c1ccccc1:c1ccccc1 c1ccc2c(c1)Cc1ccccc12 c1ccc2c(c1)c1ccccc12 c1cCCCC1 cC cc c C:C
c1ccCcc1 c1ccc2cccc2c1 c1cccc2c1cccc2 c1cc2cccc2c1 c1cc2ccccc2n1 c1cc2ccccc2[nH]1 n1c2ccccc2cc1 n1c2ccccc2nc1
c1ccc(cc1)=O O=n1ccccc1 O=[n+]1ccccc1 [O-][n+]1ccccc1 On1ccccc1 n1ccccc1C Cn1ccccc1 C[n+]1ccccc1 [n-]1cccc1 [nH+]1ccccc1
[nH2+]1cccc1 [n]1cccc1 c1cnn[nH]1 c1nnnn1 c1n[nH]nn1 n1nnnn1 [nH]1nnnn1 c1cc[n]([H])c1 [H]n1cccc1 [H][H] [H] [H+] [H-] [HH]
[2H][2H] [2H]C F FF F=C FC(F)(F)F F(C)C [F] [FH2+] [F-] Cl ClCl Cl(C)C Cl=O O=Cl O=ClO O=Cl(=O)O OCl(=O)(=O)=O
Cl(=O)(=O)(=O)O [O-]Cl(=O)(=O)=O [Cl+3]([O-])([O-])([O-])O ClF F[Cl]F F[Cl](F)F FCl(F)F Br(=O)(=O)O BrBr I II I(Cl)Cl
CI(C)C C[I](C)C IC(I)I CI=O CI(=O)=O O[I](=O)=O FI(F)(F)(F)F FI(F)(F)(F)(F)(F)F [I+] [I-] [Br-] C[Br+]C C[I+]C C[Cl+]C
O O=O OO [OH3+] C[O+](C)C C[O](C)C O(C)(C)C [OH4+2] [O-2] [O+]#[C-] [OH-] [O] [O-][O-] O=[O+][O-] O=O=O S SS S=S S=C=S
CS(C)C CSC(=O) CS(=O)C C[S](=O)C CS(=O)(=O)C CS(C)(C)C CS(C)(C)(C)C FS(F)(F)(F)(F)F FS(F)(F)(F)(F)(F)F C[S+](C)C
C[S+](C)(C)C C[S-] [SH3] [SH5] [SH2] [SH] [S-2] O=S=O O=S(=O)=O CP CP(C)C CP(C)(C)C CP(C)(C)(C)C C[P+](C)(C)C
C[P](C)(C)(C)(C)C FP(F)(F)(F)F F[P-](F)(F)(F)(F)F FP(F)(F)(F)(F)F P#P P(=O)(O)(O)O P(=O)(=O)O [PH4] [PH5] [PH6]
C CC C(C)(C)(C)C C(C)(C)(C)(C)C C=C=C C#C#C C#CC C=C(=C)C [CH5] [CH4] [CH3] [CH2] [CH] [C] [CH3+] [CH3-] [CH4+] [CH4-]
[CH5+] [CH2-2] [CH2+2] C[C-](C)C C[C+](C)C C[C+](C)(C)C C[C-](C)(C)C C$C [C]$[C] C#[C] [C-]#[C-] B BC B(C)(C)C B(C)(C)(C)C
[BH4-] [BH4] [BH3] C[B-](C)(C)C C[B+]C B1B[H]1 [Si] [SiH4] [SiH5] C[Si](C)(C)(C)C F[Si-2](F)(F)(F)(F)F F[Si](F)(F)(F)(F)F
[SiH3+] [GeH4] [SnH4] [SnH2] C[Sn](C)(C)C [Sn](Cl)(Cl)(Cl)(Cl)Cl [Pb](C)(C)(C)C C[Hg]C C[Mg]Br [Mg](C)(C)C [Na]C [Na](C)C
[Na+] [Na+].[Cl-] [K+].[O-]C [Li]CCCC [Ca+2] [Zn+2] C[Zn]C C[Zn](C)C C[Al](C)C C[Al](C)(C)C C[Al-](C)(C)C [Al+3] [Fe] [Fe+2] [Fe+3]
[Fe](Cl)(Cl)Cl [Ti](Cl)(Cl)(Cl)Cl [Pt](N)(N)(Cl)Cl [Cu+2] [Ag+] [Au] O=[Os](=O)(=O)=O O=[Mn](=O)(=O)[O-] [Se] [SeH2] C[Se]C
C[Se](C)=O [Te] C[Te]C [As] [AsH3] C[As](C)C C[As](C)(C)(C)C [Sb](F)(F)(F)(F)F [Bi](C)(C)C [He] [Ne] [Xe] F[Xe]F
F[Xe](F)(F)F [Kr] F[Kr]F [Ar] [U] [Og] [Uue] [Xx] [J] [A] [a] [Q] [R] [X]
C1CC1 C1CCC C11 C12CC12 C1C1 C1=C1 C1CC1C1CC1 C1CC1C1CC C=1CC1 C1CC=1 C=1CC=1 C=1CC#1 C=1CC-1 C-1CC1 C/1CC1 C\\1CC/1
C%10CC%10 C%1CC%1 C%CC% C%01CC1 C%00CC%00 C0CC0 C1.C1 C1.CC1 C.1C1 C1CC.1 1CC1 C(1)CC1 C(1CC1)C C(C1)C1 C(CC1)1 C(C)1CC1
C1(CC1) C1(CC)1 C12(CC1)CC2 C1CC12CC2 C123CC1C2C3 C1234C5C1C2C3C45
C( C) C() C()C (C) (C)C ((C)) C((C)) C((C)C) C(C)(C) C(C)(C)C C(C)((C)C) C(=O)O C(=O C=(O)C C(=)C C=() C(O)=O C(.C) C(.C)C
C(.O)C C.(C) C(C.) C(C.C)C C. .C C..C . C.C C.=C C=.C =C C= C== C==C C=#C C-=C C-C C- -C C/C C\\C C/ /C F/C=C/F F\\C=C/F F/C=C
F/C(=C)/F C//C C/-C C=/C C~C C->C C<-C C:C c:1ccccc:1 C-1CC-1
[C [] [ ] C] [C]] [[C]] [C][ [CH4] [CH4]C [4CH4] [C4H] [CHH] [HC] [C@] [C@@] [C@@@] [C@H](F)(Cl)Br [C@@H](F)(Cl)Br
[C@TH1](F)(Cl)(Br)I [C@TH3](F)(Cl)(Br)I [C@AL1](F)(Cl)(Br)I [C@SP1](F)(Cl)(Br)I [C@XX](F)(Cl)(Br)I [CH@](F)(Cl)Br [C+] [C++]
[C+++] [C+2] [C++2] [C+-] [C-+] [C-2] [C--] [C+0] [C-0] [CH3+0] [C:1] [CH3:12] [C:] [C:a] [CH3:1]C [13C] [013C] [0C] [999C]
[1000C] [C13] [cl] [CL] [Cl] [cL] [BR] [br] [nA] [Na] [NA] [co] [Co] [CO] [sc] [Sc] [SC] [cu] [sn] [Sn] [SN] [nb]
Na K Li Si Se se As As te Fe H D T X R A Q * x y z j l r e i m CL BR cL Cl Br CI Ci ci bR
[nH]1ccc2ccccc12 [nH]1c2ccccc2c2ccccc12 n1cc2ccccc2c1 [nH]1cc2ccccc2c1 c1[nH]cc2ccccc12 c1ncc2[nH]cnc2n1 c1ncc2ncnc2n1
c1ncc2ncnc-2n1 O=c1[nH]c(=O)c2[nH]cnc2[nH]1 O=c1nc(=O)c2ncnc2n1 O=c1oc2ccccc2cc1 O=c1cocc2ccccc12 c1ccc2c(c1)oc1ccccc12
c1ccc2sccc2c1 c1csc2ccsc12 c1ccc2nonc2c1 c1ccc2nsnc2c1 C1=Cc2ccccc2C1 C1=CC=Cc2ccccc12 c1cc2cc3ccccc3cc2c2ccccc12
c1ccc2c(c1)c1cccc3cccc2c13 c1cc2cccc3c4cccc5cccc(c(c1)c23)c45 C1=CC2=CC=CC2=C1 c1cc2cccc-2c1 c1ccc2-c3ccccc3-c2c1
c1ccc2c3ccccc3c2c1 c1ccc2ccc3cccc3c2c1 c1cc2ccc3cccc1c23 N=c1cc[nH]cc1 N=c1cccc[nH]1 Nc1ccccn1 S=c1cc[nH]cc1 [O-]c1cc[nH+]cc1
CC1=NC=CC1 c1(C)ccccc1 c1(ccccc1) c1(ccccc1)C c(C)1ccccc1 c1ccccc1C( c1ccccc c1cccccc1c
"""


def others(strings):
    """Strings with one to three changes: a character out, one twice, two exchanged, one of another string in."""
    rnd = random.Random(20261123)
    letters = "CNOFSPcnos()[]=#123+-H@/Cl"
    out = []
    while len(out) < 1500:
        s = list(rnd.choice(strings))
        for _ in range(rnd.choice([1, 1, 1, 2, 3])):
            i = rnd.randrange(len(s))
            what = rnd.randrange(4)
            if what == 0 and len(s) > 1:
                del s[i]
            elif what == 1:
                s.insert(i, s[i])
            elif what == 2 and i + 1 < len(s):
                s[i], s[i + 1] = s[i + 1], s[i]
            else:
                s[i] = rnd.choice(letters)
        out.append("".join(s))
    return out


def main():
    RDLogger.DisableLog("rdApp.*")
    known = KNOWN.split()
    strings = known + BY_HAND.split() + others([s for s in known if len(s) < 40])
    cases = []
    for s in dict.fromkeys(strings):
        if "*" in s or "~" in s or ">" in s or "<" in s:
            continue
        mol = Chem.MolFromSmiles(s)
        case = {"smiles": s, "valid": mol is not None}
        if mol is not None:
            case["hydrogens"] = sum(a.GetTotalNumHs() + (a.GetAtomicNum() == 1) for a in mol.GetAtoms())
            # Another order of the atoms, and no aromatic letters.
            other = Chem.Mol(mol)
            Chem.Kekulize(other, clearAromaticFlags=True)
            last = mol.GetNumAtoms() - 1 if "." not in s else -1
            case["same"] = Chem.MolToSmiles(other, rootedAtAtom=last, canonical=False, kekuleSmiles=True)
        cases.append(case)
    with open(sys.argv[1], "w") as f:
        f.write('{"rdkit": "%s", "cases": [\n' % rdkit.__version__)
        f.write(",\n".join(json.dumps(c) for c in cases))
        f.write("\n]}\n")


main()
