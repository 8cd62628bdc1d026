//! Folds names, numbers and codes to the form in which they are compared and searched.
