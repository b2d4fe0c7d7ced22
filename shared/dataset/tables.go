package dataset

import (
	"context"
	"slices"
	"strings"

	"github.com/manifold-gen/manifold/shared/fault"
)

// TableEntry describes a registered table: a file of separated values that is read row by row.
type TableEntry struct {
	Entry
	Columns []string // names, where the file has no header
	Target  string   // the column that is usually predicted
	// Domains are the levels that the set's documentation declares, by column.
	Domains map[string][]string
}

// tables returns the registered tables, sorted by name. The rows of all are in random order as they come.
func tables() []TableEntry {
	return []TableEntry{adult(), titanic(), wineWhite()}
}

func adult() TableEntry {
	return TableEntry{
		Entry: Entry{
			Name:     "adult",
			Title:    "Adult: the 32,561 rows of the training file, an extract of the US census of 1994",
			Licence:  "CC BY 4.0 (UCI); none stated by the packager",
			Citation: "R. Kohavi, B. Becker: Adult, UCI Machine Learning Repository, 1996",
			Homepage: "https://archive.ics.uci.edu/dataset/2/adult",
			// Published measurements of CTGAN and TVAE also test on 10,000 rows.
			Splits: []Split{{"train", 0, 20_561}, {"select", 20_561, 22_561}, {"report", 22_561, 32_561}},
			Sources: []Source{{
				Path:   "tabular/adult-train.csv",
				URL:    "https://raw.githubusercontent.com/jbrownlee/Datasets/master/adult-train.csv",
				SHA256: "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
			}},
		},
		Columns: []string{
			"age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship",
			"race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income",
		},
		Target: "income",
		Domains: map[string][]string{ // of adult.names
			"workclass": {"Private", "Self-emp-not-inc", "Self-emp-inc", "Federal-gov", "Local-gov", "State-gov",
				"Without-pay", "Never-worked"},
			"sex":    {"Female", "Male"},
			"race":   {"White", "Asian-Pac-Islander", "Amer-Indian-Eskimo", "Other", "Black"},
			"income": {"<=50K", ">50K"},
			"education": {"Preschool", "1st-4th", "5th-6th", "7th-8th", "9th", "10th", "11th", "12th", "HS-grad",
				"Some-college", "Assoc-voc", "Assoc-acdm", "Bachelors", "Masters", "Prof-school", "Doctorate"},
			"marital-status": {"Married-civ-spouse", "Divorced", "Never-married", "Separated", "Widowed",
				"Married-spouse-absent", "Married-AF-spouse"},
			"relationship": {"Wife", "Own-child", "Husband", "Not-in-family", "Other-relative", "Unmarried"},
		},
	}
}

func titanic() TableEntry {
	return TableEntry{
		Entry: Entry{
			Name:     "titanic",
			Title:    "Titanic: 891 passengers, of whom 342 survived",
			Licence:  "none stated; not given on by this project",
			Citation: "Encyclopedia Titanica; the selection is Kaggle's: Titanic, machine learning from disaster, 2012",
			Homepage: "https://www.kaggle.com/competitions/titanic",
			Splits:   []Split{{"train", 0, 623}, {"select", 623, 712}, {"report", 712, 891}},
			Sources: []Source{{
				Path:   "tabular/titanic.csv",
				URL:    "https://raw.githubusercontent.com/datasciencedojo/datasets/master/titanic.csv",
				SHA256: "4a437fde05fe5264e1701a7387ac6fb75393772ba38bb2c9c566405af5af4bd7",
			}},
		},
		Target: "Survived",
	}
}

func wineWhite() TableEntry {
	return TableEntry{
		Entry: Entry{
			Name:     "wine-white",
			Title:    "Wine quality: 4,898 white wines, their chemistry and the median mark of three tasters",
			Licence:  "CC BY 4.0 (UCI); none stated by the packager",
			Citation: "P. Cortez, A. Cerdeira, F. Almeida, T. Matos, J. Reis: Modeling wine preferences, 2009",
			Homepage: "https://archive.ics.uci.edu/dataset/186/wine+quality",
			Splits:   []Split{{"train", 0, 3_430}, {"select", 3_430, 3_920}, {"report", 3_920, 4_898}},
			Sources: []Source{{
				Path:   "tabular/winequality-white.csv",
				URL:    "https://raw.githubusercontent.com/jbrownlee/Datasets/master/winequality-white.csv",
				SHA256: "659d419fff887f225bf977d20520bb64a64cae203e460087f809721d4430ba27",
			}},
		},
		Columns: []string{
			"fixed acidity", "volatile acidity", "citric acid", "residual sugar", "chlorides", "free sulfur dioxide",
			"total sulfur dioxide", "density", "pH", "sulphates", "alcohol", "quality",
		},
		Target: "quality",
	}
}

// TableNames lists the registered tables in order.
func TableNames() []string {
	var names []string
	for _, e := range tables() {
		names = append(names, e.Name)
	}
	return names
}

// LookupTable finds a registered table. The error is of kind fault.NotFound and lists the names.
func LookupTable(name string) (TableEntry, error) {
	all := tables()
	i := slices.IndexFunc(all, func(e TableEntry) bool { return e.Name == name })
	if i < 0 {
		return TableEntry{}, fault.E(fault.NotFound, "DATASET_NOT_FOUND", "dataset.LookupTable",
			"no table %q, there are %s", name, strings.Join(TableNames(), ", "))
	}
	return all[i], nil
}

// FindTable returns the path of a registered table's file, verified and downloaded if need be; see Find.
func (l *Locator) FindTable(ctx context.Context, name string) (string, TableEntry, error) {
	e, err := LookupTable(name)
	if err != nil {
		return "", e, err
	}
	path, err := l.Find(ctx, e.Entry, e.Sources[0])
	return path, e, err
}

// Rows are the first row of a split, and the one after its last; "" and "all" are all rows.
func (e TableEntry) Rows(split string) (from, to int, err error) {
	s, err := e.split(split, e.Splits[len(e.Splits)-1].To)
	return s.From, s.To, err
}
